# fish completion of cc-jwt. fish quotes what it inserts.
complete --command cc-jwt --no-files --keep-order --arguments '(cc-jwt --complete fish -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --cut-at-cursor --current-token) 2>/dev/null)'
