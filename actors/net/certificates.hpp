// A small certificate authority for one cluster: `larql certs`.
//
//     DIR/ca.pem, DIR/ca.key            the authority; the key stays with the operator
//     DIR/NAME.pem, DIR/NAME.key        a member; its role stands in the certificate as OU,
//                                       what it may beside that as further OUs
//
// Keys are P-256 and readable by their owner only. Certificates are valid from a day before they
// are made, because clocks of cheap machines differ.
//
// Errors    Name the file; an existing file is an error unless told to replace it.

#pragma once

#include "actors/net/peer_identity.hpp"
#include "runtime/base/result.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace larql::actors {

inline constexpr int authority_days = 3650;
inline constexpr int member_days = 730;

/// Makes DIR/ca.pem and DIR/ca.key.
[[nodiscard]] result<void> create_authority(const std::filesystem::path& dir,
                                            const std::string& cluster, int days, bool replace);

struct member_request {
  std::string name; ///< of the node or person; becomes the file's name
  peer_role role = peer_role::node;
  std::vector<std::string> hosts; ///< names and addresses, for the SAN
  int days = member_days;
  peer_capabilities also = {};
};

/// Makes DIR/NAME.pem and DIR/NAME.key with the authority in DIR.
[[nodiscard]] result<void> issue_certificate(const std::filesystem::path& dir,
                                             const member_request& request, bool replace);

/// Writes a random cluster secret.
[[nodiscard]] result<void> create_secret(const std::filesystem::path& file, bool replace);

} // namespace larql::actors
