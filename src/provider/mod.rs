//! What is fetched over HTTP: key sets, discovery documents, OpenID Connect providers, the server.
