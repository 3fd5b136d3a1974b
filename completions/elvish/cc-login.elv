# elvish completion of cc-login. elvish quotes what it inserts.
set edit:completion:arg-completer[cc-login] = {|@words|
    e:cc-login --complete elvish -- $@words | from-lines
}
