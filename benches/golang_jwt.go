// The peer that ClusterCockpit's server itself uses: golang-jwt, each line of a file a token.
//
//	golang_jwt EdDSA|ES256|RS256 PUBLIC.pem TOKENS
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/golang-jwt/jwt"
)

func key(algorithm string, pem []byte) (interface{}, error) {
	switch algorithm {
	case "EdDSA":
		return jwt.ParseEdPublicKeyFromPEM(pem)
	case "ES256":
		return jwt.ParseECPublicKeyFromPEM(pem)
	}
	return jwt.ParseRSAPublicKeyFromPEM(pem)
}

func run(algorithm, keyFile, tokens string) error {
	pem, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	public, err := key(algorithm, pem)
	if err != nil {
		return err
	}
	file, err := os.Open(tokens)
	if err != nil {
		return err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{algorithm}))
	give := func(*jwt.Token) (interface{}, error) { return public, nil }
	count := 0
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if _, err := parser.Parse(lines.Text(), give); err != nil {
			return err
		}
		count++
	}
	fmt.Println(count)
	return lines.Err()
}

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
