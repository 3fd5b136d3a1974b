complete --keep-order --exclusive --command cc-jwt --arguments "(COMPLETE=fish cc-jwt -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
