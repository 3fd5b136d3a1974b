complete --keep-order --exclusive --command cc-login --arguments "(COMPLETE=fish cc-login -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
