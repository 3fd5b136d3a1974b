# fish completion of gen-keypair. fish quotes what it inserts.
complete --command gen-keypair --no-files --keep-order --arguments '(gen-keypair --complete fish -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --cut-at-cursor --current-token) 2>/dev/null)'
