# fish completion of convert-pem-pubkey. fish quotes what it inserts.
complete --command convert-pem-pubkey --no-files --keep-order --arguments '(convert-pem-pubkey --complete fish -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --cut-at-cursor --current-token) 2>/dev/null)'
