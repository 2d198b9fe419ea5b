// What TLS needs, loaded once at start: certificates of a cluster's own authority, or a secret that
// every member knows. TLS 1.3 only, both sides prove who they are.
//
// Owner     Shared; connections keep it alive.
// Threads   Immutable after loading.
// Signals   The process must ignore SIGPIPE: OpenSSL writes to sockets that may be closed.
// Errors    A missing, unreadable or unsuitable file is an error at start that names it.

#pragma once

#include "actors/net/peer_identity.hpp"
#include "runtime/base/result.hpp"
#include "runtime/topology/topology.hpp"

#include <memory>
#include <string_view>

// OpenSSL's own names, so that its headers stay out of ours.
struct ssl_st;
struct ssl_ctx_st;

namespace larql::actors {

class tls_context;
using tls_context_ptr = std::shared_ptr<const tls_context>;

class tls_context {
public:
  /// Certificate and key of this side; the peer's certificate must come from `files.ca`.
  [[nodiscard]] static result<tls_context_ptr> from_files(const topology::tls_files& files);

  /// TLS with a pre-shared key that is derived from the secret; proves membership, not a role.
  [[nodiscard]] static result<tls_context_ptr> from_secret(std::string_view secret);
  [[nodiscard]] static result<tls_context_ptr> from_secret_file(const std::filesystem::path& path);

  /// As a topology says; null if it asks for no protection.
  [[nodiscard]] static result<tls_context_ptr> from(const topology::security& s);

  ~tls_context();
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

  /// This side's own name and role; anyone for a secret.
  [[nodiscard]] const peer_identity& self() const noexcept { return self_; }

  struct free_ssl {
    void operator()(ssl_st* s) const noexcept;
  };
  using ssl_ptr = std::unique_ptr<ssl_st, free_ssl>;

  /// A session over a connected descriptor, not yet shaken hands. Null if memory is short.
  [[nodiscard]] ssl_ptr new_session(int fd) const;

  /// Who the peer of a finished handshake is. Fails if its certificate names no role.
  [[nodiscard]] result<peer_identity> identity_of(ssl_st* session) const;

private:
  tls_context() = default;

  ssl_ctx_st* context_ = nullptr;
  bool by_secret_ = false;
  peer_identity self_;
};

/// The text of OpenSSL's last errors, which are cleared.
[[nodiscard]] std::string tls_error_text();

} // namespace larql::actors
