// The certificates and keys of one member as they stand in files: what they say, for how long they
// hold, and whether a program can serve with them; looked at before a peer refuses them.
//
// Errors    Name the file, what was found and what was expected.
// Threads   Any.

#pragma once

#include "actors/net/peer_identity.hpp"
#include "runtime/base/result.hpp"
#include "runtime/topology/topology.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace larql::actors {

using calendar_time = std::chrono::system_clock::time_point;

/// So long before a certificate expires people are told.
inline constexpr auto expiry_notice = std::chrono::days{30};

struct certificate_facts {
  std::filesystem::path file;
  std::string name; ///< of the member, or of the cluster
  std::string role; ///< "node", "laptop", "operator"; "authority" of a CA
  calendar_time from, until;
};

/// All certificates of a PEM file, at least one: a CA file may hold the old and the new one.
[[nodiscard]] result<std::vector<certificate_facts>>
read_certificates(const std::filesystem::path& file);

/// Own certificate and CAs.
[[nodiscard]] result<std::vector<certificate_facts>>
read_certificates(const topology::tls_files& files);

/// "DIR/alpha.pem: the certificate of the node alpha expires in 12 days, on 2026-12-12", for those
/// with less than expiry_notice left, expired ones included.
[[nodiscard]] std::vector<std::string> expiring(const std::vector<certificate_facts>& all,
                                                calendar_time now);

/// "2026-12-12"
[[nodiscard]] std::string date_of(calendar_time t);

/// Checks that a member with this role and name can use the files: the certificate names them, is
/// valid now and comes from the CA; the key is its key and readable by its owner only. An empty
/// name fits any.
[[nodiscard]] result<void> check_member(const topology::tls_files& files, peer_role role,
                                        const std::string& name);

/// errc::usage if others than its owner may read or replace a file that is to stay secret. What is
/// no file, and the service manager's own copies, are as they should be.
[[nodiscard]] result<void> check_private(const std::filesystem::path& file);

} // namespace larql::actors
