# fish completion of cc-user. fish quotes what it inserts.
complete --command cc-user --no-files --keep-order --arguments '(cc-user --complete fish -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --cut-at-cursor --current-token) 2>/dev/null)'
