# fish completion of cc-login. fish quotes what it inserts.
complete --command cc-login --no-files --keep-order --arguments '(cc-login --complete fish -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --cut-at-cursor --current-token) 2>/dev/null)'
