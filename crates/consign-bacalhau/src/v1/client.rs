//! Making a client of the v1 interface: address, credential, time limits.
use std::time::Duration;

use consign_http::{ClientBuilder, Error, Token};

use super::{Client, VersionOptions, read_error};
use crate::address::address;
use crate::{DEFAULT_PORT, HOST_VARIABLE, PORT_VARIABLE, ServerVersion};

/// The environment variable that asks for `https` if it is set to anything.
pub const HTTPS_VARIABLE: &str = "BACALHAU_HTTPS";
/// The environment variable that holds an API key, the same as for the provider's command line.
pub const KEY_VARIABLE: &str = "BACALHAU_API_KEY";
/// The environment variable that holds a user name.
pub const USER_VARIABLE: &str = "BACALHAU_API_USERNAME";
/// The environment variable that holds the user's password.
pub const PASSWORD_VARIABLE: &str = "BACALHAU_API_PASSWORD";

/// A little longer than the server gives itself, so that its own word arrives.
const LIMIT: Duration = Duration::from_secs(40);

impl Client {
    /// A client without a credential of the server at `base_url`, such as `http://127.0.0.1:1234`.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the URL is not `http` or `https` with a host, or has a path, a
    /// query or a password.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        Self::builder(base_url)?.build().map(Self::from_http)
    }
    /// A client of the server that [`HOST_VARIABLE`], [`PORT_VARIABLE`] (default: 1234) and [`HTTPS_VARIABLE`] name.
    /// Its credential is the key in [`KEY_VARIABLE`], else the user in [`USER_VARIABLE`] with the password in
    /// [`PASSWORD_VARIABLE`], else none.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the host is not set, of user and password only one is, or one
    /// of them cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        let (base_url, token) = settings(|name| std::env::var(name).ok())?;
        let builder = Self::builder(&base_url)?;
        let builder = match token {
            Some(token) => builder.token(token),
            None => builder,
        };
        builder.build().map(Self::from_http)
    }
    /// The settings of a client of the server at `base_url`, without a credential yet; [`Client::from_http`] takes
    /// what they build. [`Token::basic`] is a user name and password, [`Token::new`] an API key or a token. A call may
    /// take 40 s.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn builder(base_url: &str) -> Result<ClientBuilder, Error> {
        Ok(consign_http::Client::builder(base_url)?.error_reader(read_error).timeout(LIMIT))
    }
    /// The server's version; `None` if it names no release, as a self-built one does.
    ///
    /// # Errors
    /// As [`Client::version`].
    pub async fn server_version(&self) -> Result<Option<ServerVersion>, Error> {
        let reply = self.version(VersionOptions::default()).await?;
        Ok(reply.git_version.as_deref().and_then(ServerVersion::read))
    }
}

/// Address and credential from variables.
fn settings(variable: impl Fn(&str) -> Option<String>) -> Result<(String, Option<Token>), Error> {
    let read = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let missing = |name: &str| Error::config(format!("the environment variable {name} is not set"));
    let host = read(HOST_VARIABLE).ok_or_else(|| missing(HOST_VARIABLE))?;
    let port = read(PORT_VARIABLE).unwrap_or_else(|| DEFAULT_PORT.to_string());
    let scheme = if read(HTTPS_VARIABLE).is_some() { "https" } else { "http" };
    let token = match (read(KEY_VARIABLE), read(USER_VARIABLE), read(PASSWORD_VARIABLE)) {
        (Some(key), ..) => Some(Token::new(key)?),
        (None, Some(user), Some(password)) => Some(Token::basic(&user, &password)?),
        (None, Some(_), None) => return Err(missing(PASSWORD_VARIABLE)),
        (None, None, Some(_)) => return Err(missing(USER_VARIABLE)),
        (None, None, None) => None,
    };
    Ok((address(scheme, &host, &port)?, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<(String, Option<Token>), Error> {
        settings(|name| variables.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn address_and_credential_come_from_the_variables_of_the_providers_own_clients() {
        let host = (HOST_VARIABLE, "node.example");
        assert_eq!(of(&[host]).unwrap(), ("http://node.example:1234".to_owned(), None));
        let (url, token) = of(&[host, (PORT_VARIABLE, "80"), (HTTPS_VARIABLE, "1"), (KEY_VARIABLE, "key-1")]).unwrap();
        assert_eq!((url.as_str(), token), ("https://node.example:80", Some(Token::new("key-1").unwrap())));
        let user = (USER_VARIABLE, "ann");
        let password = (PASSWORD_VARIABLE, "open sesame");
        assert_eq!(of(&[host, user, password]).unwrap().1, Some(Token::basic("ann", "open sesame").unwrap()));
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_secret_is_repeated() {
        let host = (HOST_VARIABLE, "node.example");
        let error = |variables: &[(&str, &str)]| of(variables).unwrap_err().to_string();
        assert!(error(&[]).contains(HOST_VARIABLE));
        assert!(error(&[host, (USER_VARIABLE, "ann")]).contains(PASSWORD_VARIABLE));
        let error = error(&[host, (PASSWORD_VARIABLE, "sesame")]);
        assert!(error.contains(USER_VARIABLE) && !error.contains("sesame"));
        let builder = Client::builder("http://node.example").unwrap().token(Token::basic("ann", "sesame").unwrap());
        assert!(!format!("{:?}", Client::from_http(builder.build().unwrap())).contains("sesame"));
    }
}
