complete --keep-order --exclusive --command cc-user --arguments "(COMPLETE=fish cc-user -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
