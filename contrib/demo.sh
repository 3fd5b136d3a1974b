#!/bin/sh
# Shows the programs in an empty directory: keys, a user, a token, a verdict. Prints each command with its
# output. The programs are those in PATH.
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
# The caller's own session is not used.
unset XDG_RUNTIME_DIR
export XDG_STATE_HOME="$directory/.state"
unset CC_CONFIG CC_ENV_FILE CC_DB BEARER_TOKEN BEARER_TOKEN_FILE
unset JWT_PUBLIC_KEY JWT_PRIVATE_KEY CROSS_LOGIN_JWT_PUBLIC_KEY CROSS_LOGIN_JWT_HS512_KEY SESSION_KEY

show() {
	printf '\n$ %s\n' "$1"
	status=0
	sh -c "$1" || status=$?
	if [ "$status" -ne "${2:-0}" ]; then
		printf 'demo: status %s, expected %s\n' "$status" "${2:-0}" >&2
		exit 1
	fi
}

echo "In an empty directory: $(pwd)"
show 'cc-user init'
show 'ls -la . var'
show 'cc-user add fritz --role api --name "Fritz the Script" --no-password'
show 'echo "correct horse battery" | cc-user add anna --role user,admin --password-stdin'
show 'cc-user list'
show 'cc-jwt issue fritz --ttl 24h -o token.txt'
show 'cc-jwt inspect --token-file token.txt'
show 'cc-jwt verify --token-file token.txt --endpoint api'
printf '\nA token that the server rejects, with the reason:\n'
show 'cc-jwt issue anna -o anna.txt'
show 'cc-jwt verify --token-file anna.txt --endpoint api' 1
show 'echo "correct horse battery" | cc-login anna --password-stdin'
show 'cc-login token | cut -c1-20'
show 'cc-login logout'
show 'cc-user del fritz'
show 'cc-user list --json'
printf '\nThe demo is complete; the directory is deleted.\n'
