# elvish completion of cc-user. elvish quotes what it inserts.
set edit:completion:arg-completer[cc-user] = {|@words|
    e:cc-user --complete elvish -- $@words | from-lines
}
