# elvish completion of gen-keypair. elvish quotes what it inserts.
set edit:completion:arg-completer[gen-keypair] = {|@words|
    e:gen-keypair --complete elvish -- $@words | from-lines
}
