complete --keep-order --exclusive --command gen-keypair --arguments "(COMPLETE=fish gen-keypair -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
