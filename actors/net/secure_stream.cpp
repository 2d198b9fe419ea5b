#include "actors/net/secure_stream.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>

namespace larql::actors {

namespace {

// What an unfinished TLS operation waits for; 0 if it has failed.
short events_for(int ssl_error) {
  switch (ssl_error) {
  case SSL_ERROR_WANT_READ: return POLLIN;
  case SSL_ERROR_WANT_WRITE: return POLLOUT;
  default: return 0;
  }
}

std::string reason_of(SSL* session, int ssl_error) {
  if (const auto verified = SSL_get_verify_result(session); verified != X509_V_OK)
    return fmt::format("the peer's certificate: {}", X509_verify_cert_error_string(verified));
  if (ssl_error == SSL_ERROR_ZERO_RETURN || ERR_peek_error() == 0)
    return "the peer closed the connection";
  return tls_error_text();
}

// Repeats `operation` until it succeeds, fails, or the deadline has passed.
template <class Operation>
result<void> until_done(SSL* session, int fd, time_limit until, const std::string& peer,
                        std::string_view what, Operation operation) {
  for (;;) {
    ERR_clear_error();
    const auto code = operation();
    if (code == 1)
      return {};
    const auto error = SSL_get_error(session, code);
    const auto events = events_for(error);
    if (events == 0)
      return fail(error == SSL_ERROR_SSL ? errc::mismatch : errc::unavailable, "{}: {}: {}", peer,
                  what, reason_of(session, error));
    if (!wait_for(fd, events, until))
      return fail(errc::deadline, "{}: {}: no answer in time", peer, what);
  }
}

} // namespace

result<secure_stream> secure_stream::shake_hands(socket s, const tls_context_ptr& tls,
                                                 time_limit until, bool server) {
  auto out = secure_stream{std::move(s)};
  if (!tls)
    return out;
  const auto peer = out.peer();
  out.tls_ = tls;
  out.session_ = tls->new_session(out.fd());
  if (!out.session_)
    return fail(errc::internal, "{}: TLS: {}", peer, tls_error_text());
  auto* session = out.session_.get();
  LARQL_TRY_VOID(until_done(session, out.fd(), until, peer, "TLS handshake",
                            [&] { return server ? SSL_accept(session) : SSL_connect(session); }));
  auto identity = tls->identity_of(session);
  if (!identity)
    return std::move(identity).error().in(peer);
  out.identity_ = *std::move(identity);
  return out;
}

result<secure_stream> secure_stream::dialled(socket s, const tls_context_ptr& tls,
                                             time_limit until) {
  return shake_hands(std::move(s), tls, until, false);
}

result<secure_stream> secure_stream::accepted(socket s, const tls_context_ptr& tls,
                                              time_limit until) {
  return shake_hands(std::move(s), tls, until, true);
}

result<void> secure_stream::read(std::span<char> out, time_limit until) const {
  if (!session_)
    return socket_.read(out, until);
  while (!out.empty()) {
    auto n = std::size_t{0};
    LARQL_TRY_VOID(until_done(session_.get(), fd(), until, peer(), "read", [&] {
      return SSL_read_ex(session_.get(), out.data(), out.size(), &n);
    }));
    out = out.subspan(n);
  }
  return {};
}

result<void> secure_stream::write(std::span<const char> bytes, time_limit until) const {
  if (!session_)
    return socket_.write(bytes, until);
  while (!bytes.empty()) {
    auto n = std::size_t{0};
    LARQL_TRY_VOID(until_done(session_.get(), fd(), until, peer(), "write", [&] {
      return SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &n);
    }));
    bytes = bytes.subspan(n);
  }
  return {};
}

} // namespace larql::actors
