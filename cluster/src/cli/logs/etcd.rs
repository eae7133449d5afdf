//! Connects to the log on etcd that the options name.

use std::path::Path;

use provider_tree_cluster::log::{EtcdLog, EtcdOptions};

use crate::failure::Failure;
use crate::options::LogOptions;

/// The variable that has the password of the user.
const PASSWORD: &str = "PROVIDER_TREE_PASSWORD";

/// What the keys begin with if nothing else is said.
const PREFIX: &str = "provider-tree";

pub(super) async fn connect(options: &LogOptions) -> Result<EtcdLog, Failure> {
    let mut etcd = EtcdOptions::new(options.prefix.as_deref().unwrap_or(PREFIX));
    if let Some(user) = &options.user {
        etcd = etcd.user(user, password(options.password_file.as_deref())?);
    }
    let etcd = with_tls(etcd, options)?;
    Ok(EtcdLog::connect(options.etcd.iter().cloned(), etcd).await?)
}

/// Reads the password from the first line of a file, or from the variable.
fn password(file: Option<&Path>) -> Result<String, Failure> {
    match file {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(Failure::unreadable(file))?;
            Ok(text.lines().next().unwrap_or_default().to_owned())
        }
        None => std::env::var(PASSWORD).map_err(|_| {
            Failure::usage(format!(
                "--user needs a password: in the variable {PASSWORD}, or with --password-file"
            ))
        }),
    }
}

#[cfg(feature = "etcd-tls")]
fn with_tls(etcd: EtcdOptions, options: &LogOptions) -> Result<EtcdOptions, Failure> {
    use provider_tree_cluster::log::{Certificate, Identity, TlsOptions};

    let read = |file: &Path| std::fs::read(file).map_err(Failure::unreadable(file));
    let mut tls = TlsOptions::new();
    let is_tls = options.etcd.iter().any(|endpoint| endpoint.starts_with("https://"));
    if let Some(ca) = &options.ca {
        tls = tls.ca_certificate(Certificate::from_pem(read(ca)?));
    }
    if let (Some(cert), Some(key)) = (&options.cert, &options.key) {
        tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
    }
    let is_asked_for = is_tls || options.ca.is_some() || options.cert.is_some();
    Ok(if is_asked_for { etcd.tls(tls) } else { etcd })
}

#[cfg(not(feature = "etcd-tls"))]
fn with_tls(etcd: EtcdOptions, options: &LogOptions) -> Result<EtcdOptions, Failure> {
    let is_tls = options.etcd.iter().any(|endpoint| endpoint.starts_with("https://"));
    if is_tls || options.ca.is_some() || options.cert.is_some() {
        let text = "this program was built without TLS: build it with --features cli,etcd-tls";
        return Err(Failure::usage(text));
    }
    Ok(etcd)
}
