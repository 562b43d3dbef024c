//! Which port a branch has where ports follow ids.

use thiserror::Error;

use bank::BranchId;

/// There is no such port.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "branch {branch} would listen on port {base} + {branch}, but ports end at 65535; give a \
     smaller --base-port, or 0 for free ones where the cluster is started"
)]
pub struct PortError {
    branch: BranchId,
    base: u16,
}

/// The port of `branch`: `base` + its id, or 0, which takes a free one, if `base` is 0.
pub fn port_of(base: u16, branch: BranchId) -> Result<u16, PortError> {
    if base == 0 {
        return Ok(0);
    }
    let offset = u16::try_from(branch.0).ok();
    offset.and_then(|offset| base.checked_add(offset)).ok_or(PortError { branch, base })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_follow_ids_up_to_the_last_one() {
        assert_eq!(port_of(50_050, BranchId(4)), Ok(50_054));
        assert_eq!(port_of(65_530, BranchId(5)), Ok(65_535));
        assert_eq!(port_of(0, BranchId(70_000)), Ok(0));
        for (base, id) in [(65_530, 6), (1, 65_535), (1, u32::MAX)] {
            let error = port_of(base, BranchId(id)).expect_err("beyond the last port");
            assert!(error.to_string().contains("65535"), "{error}");
        }
    }
}
