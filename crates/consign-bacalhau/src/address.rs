//! The server's address from the two variables of the provider's own clients.
use std::net::Ipv6Addr;

use consign_http::Error;

use crate::{HOST_VARIABLE, PORT_VARIABLE};

/// `http://host:port`; what is wrong is told by the variable that it is in.
pub(crate) fn address(scheme: &str, host: &str, port: &str) -> Result<String, Error> {
    let bad = |name: &str, value: &str, allowed: &str| {
        Error::config(format!("the environment variable {name} is {value:?}; it has to be {allowed}"))
    };
    let port: u16 = port.parse().map_err(|_| bad(PORT_VARIABLE, port, "a port, 1 to 65535"))?;
    if host.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("{scheme}://[{host}]:{port}"));
    }
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if host.contains(['/', '@', '?', '#']) || (bracketed.contains(':') && bracketed.parse::<Ipv6Addr>().is_err()) {
        // A password may stand in it.
        return Err(bad(HOST_VARIABLE, "…", "a host name or an IP address, without scheme and port"));
    }
    Ok(format!("{scheme}://{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_made_of_host_and_port_and_what_is_wrong_is_named() {
        assert_eq!(address("http", "127.0.0.1", "1234").unwrap(), "http://127.0.0.1:1234");
        assert_eq!(address("https", "::1", "80").unwrap(), "https://[::1]:80");
        assert_eq!(address("http", "[::1]", "80").unwrap(), "http://[::1]:80");
        for host in ["http://127.0.0.1:39871", "ann:s3cret@node", "node:99", "node/x"] {
            let error = address("http", host, "1").unwrap_err().to_string();
            assert!(error.contains(HOST_VARIABLE) && !error.contains("s3cret"), "{error}");
        }
        for port in ["abc", "70000", "-1", ""] {
            let error = address("http", "node", port).unwrap_err().to_string();
            assert!(error.contains(PORT_VARIABLE) && error.contains(port), "{error}");
        }
    }
}
