//! Image names in requests.

use super::json::invalid;
use crate::error::Error;
use crate::oci::{Host, ImageRef, reference};

/// Parses an image name; without a host it is one of the default registry. Messages are the ones clients of
/// this API know.
pub(super) fn image(text: &str, default: &Host) -> Result<ImageRef, Error> {
    if text.contains("://") {
        return Err(offending("Invalid container repository name", text));
    }
    let image = if has_host(text) { text.parse() } else { format!("localhost/{text}").parse() };
    let image: ImageRef = image.map_err(|_| offending("Invalid container image name", text))?;
    if has_host(text) {
        return Ok(image);
    }
    Ok(ImageRef {
        registry: default.clone(),
        repository: reference::official(default, image.repository),
        ..image
    })
}

/// `what`, and the value that is wrong, shortened.
pub(super) fn offending(what: &str, value: &str) -> Error {
    let value: String = value.chars().filter(|c| !c.is_control()).take(256).collect();
    invalid(format!("{what} \u{2014} offending value: '{value}'"))
}

fn has_host(text: &str) -> bool {
    let name = text.split_once('@').map_or(text, |(name, _)| name);
    name.split_once('/').is_some_and(|(first, _)| first.contains(['.', ':']) || first == "localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_registries() {
        let check = |text: &str, default: &str, want: &str| {
            assert_eq!(image(text, &default.parse().unwrap()).unwrap().to_string(), want, "{text}");
        };
        check("busybox", "docker.io", "docker.io/library/busybox:latest");
        check("quay.io/nextflow/bash:1", "docker.io", "quay.io/nextflow/bash:1");
        check("busybox", "registry.local:5000", "registry.local:5000/busybox:latest");
        check("a/b:c", "registry.local:5000", "registry.local:5000/a/b:c");
        check("docker.io/busybox", "quay.io", "docker.io/library/busybox:latest");
        check("localhost/a", "quay.io", "localhost/a:latest");
    }

    #[test]
    fn refusals_name_the_value() {
        let message = |text: &str| image(text, &Host::docker_hub()).unwrap_err().message().to_string();
        let repository = "Invalid container repository name \u{2014} offending value: ";
        assert_eq!(
            message("http://docker.io/foo:latest"),
            format!("{repository}'http://docker.io/foo:latest'")
        );
        for text in
            ["http:docker.io/foo:latest", "docker:quay.io/foo/bar:latest", "a b", "Foo", "a@sha256:12"]
        {
            assert_eq!(
                message(text),
                format!("Invalid container image name \u{2014} offending value: '{text}'")
            );
        }
        assert!(message(&"x y".repeat(1000)).len() < 400);
    }
}
