# elvish completion of cc-jwt. elvish quotes what it inserts.
set edit:completion:arg-completer[cc-jwt] = {|@words|
    e:cc-jwt --complete elvish -- $@words | from-lines
}
