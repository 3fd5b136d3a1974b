# elvish completion of convert-pem-pubkey. elvish quotes what it inserts.
set edit:completion:arg-completer[convert-pem-pubkey] = {|@words|
    e:convert-pem-pubkey --complete elvish -- $@words | from-lines
}
