// A TLS client that checks nothing and shows whatever a test wants: no certificate, an expired one,
// an old protocol version. For peers that the project's own client cannot play.
//
// Every operation has a deadline.

#pragma once

#include "actors/net/socket.hpp"
#include "tests/support/child_process.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace larql::test {

struct raw_tls_options {
  std::filesystem::path certificate; ///< empty: shows none
  std::filesystem::path key;
  int max_version = TLS1_3_VERSION;
};

class raw_tls_peer {
public:
  raw_tls_peer(std::uint16_t port, const raw_tls_options& options) {
    auto dialled = actors::dial({"127.0.0.1", port}, until());
    if (!dialled) {
      ADD_FAILURE() << dialled.error().text;
      return;
    }
    socket_ = *std::move(dialled);
    context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_max_proto_version(context_.get(), options.max_version);
    if (!options.certificate.empty()) {
      EXPECT_EQ(SSL_CTX_use_certificate_file(context_.get(), options.certificate.c_str(),
                                             SSL_FILETYPE_PEM),
                1);
      EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context_.get(), options.key.c_str(), SSL_FILETYPE_PEM),
                1);
    }
    session_.reset(SSL_new(context_.get()));
    SSL_set_fd(session_.get(), socket_.fd());
    shaken_ = repeat([&] { return SSL_connect(session_.get()); });
  }

  /// This side believes that the handshake succeeded. In TLS 1.3 the server may think otherwise.
  [[nodiscard]] bool is_shaken() const noexcept { return shaken_; }

  bool send(std::span<const char> bytes) const {
    auto n = std::size_t{0};
    return repeat([&] { return SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &n); });
  }

  /// Every byte of payload that the server sends before it closes the connection.
  [[nodiscard]] std::vector<char> read_to_end() const {
    auto out = std::vector<char>{};
    char buffer[4096];
    auto n = std::size_t{0};
    while (repeat([&] { return SSL_read_ex(session_.get(), buffer, sizeof buffer, &n); }))
      out.insert(out.end(), buffer, buffer + n);
    return out;
  }

  [[nodiscard]] int fd() const noexcept { return socket_.fd(); }

  /// The common name of the server's certificate.
  [[nodiscard]] std::string server_name() const {
    auto* certificate = SSL_get1_peer_certificate(session_.get());
    char name[256] = {};
    if (certificate != nullptr)
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                sizeof name);
    X509_free(certificate);
    return name;
  }

private:
  static actors::time_limit until() { return std::chrono::steady_clock::now() + test_timeout; }

  template <class Operation>
  bool repeat(Operation operation) const {
    for (;;) {
      const auto code = operation();
      if (code == 1)
        return true;
      const auto error = SSL_get_error(session_.get(), code);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return false;
      const auto events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
      if (!actors::wait_for(socket_.fd(), static_cast<short>(events), until())) {
        ADD_FAILURE() << "the server neither answers nor closes";
        return false;
      }
    }
  }

  struct free_openssl {
    void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
    void operator()(SSL* s) const noexcept { SSL_free(s); }
  };
  actors::socket socket_;
  std::unique_ptr<SSL_CTX, free_openssl> context_;
  std::unique_ptr<SSL, free_openssl> session_;
  bool shaken_ = false;
};

/// Makes the certificate in DIR/NAME.pem one that is valid between these times from now, in
/// seconds, signed anew by DIR/ca.key.
inline void change_validity(const std::filesystem::path& dir, const std::string& name, long from,
                            long until) {
  const auto open = [](const std::filesystem::path& path, const char* mode) {
    return std::unique_ptr<std::FILE, int (*)(std::FILE*)>{std::fopen(path.c_str(), mode),
                                                           &std::fclose};
  };
  const auto path = dir / (name + ".pem");
  auto* member = PEM_read_X509(open(path, "r").get(), nullptr, nullptr, nullptr);
  auto* key = PEM_read_PrivateKey(open(dir / "ca.key", "r").get(), nullptr, nullptr, nullptr);
  ASSERT_TRUE(member != nullptr && key != nullptr);
  X509_gmtime_adj(X509_getm_notBefore(member), from);
  X509_gmtime_adj(X509_getm_notAfter(member), until);
  ASSERT_NE(X509_sign(member, key, EVP_sha256()), 0);
  ASSERT_EQ(PEM_write_X509(open(path, "w").get(), member), 1);
  X509_free(member);
  EVP_PKEY_free(key);
}

/// The same that ended an hour ago.
inline void expire_certificate(const std::filesystem::path& dir, const std::string& name) {
  change_validity(dir, name, -7200, -3600);
}

} // namespace larql::test
