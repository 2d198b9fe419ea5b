#include "actors/net/tls_context.hpp"

#include "runtime/base/mapped_file.hpp"

#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>

namespace larql::actors {

namespace {

constexpr std::size_t min_secret_bytes = 32; // a shorter one could be guessed from a recorded hello
constexpr std::size_t max_secret_bytes = 4096;
constexpr std::string_view psk_identity = "larql-cluster-1";

// To OpenSSL a shared key is a resumed session, and one that asks for the peer's certificate wants
// to know on both sides which context it is of.
const unsigned char* session_context() {
  return reinterpret_cast<const unsigned char*>(psk_identity.data());
}
constexpr auto session_context_bytes = static_cast<unsigned>(psk_identity.size());

using key_bytes = std::array<unsigned char, 32>;

// Where callbacks of a context find its key.
int key_index() {
  static const auto index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* key, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<key_bytes*>(key);
      });
  return index;
}

result<key_bytes> derive_key(std::string_view secret) {
  auto out = key_bytes{};
  auto size = out.size();
  constexpr std::string_view info = "larql cluster secret 1";
  const auto bytes = [](std::string_view s) {
    return reinterpret_cast<const unsigned char*>(s.data());
  };
  auto* context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr);
  const auto ok =
      context != nullptr && EVP_PKEY_derive_init(context) == 1 &&
      EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1 &&
      EVP_PKEY_CTX_set1_hkdf_key(context, bytes(secret), static_cast<int>(secret.size())) == 1 &&
      EVP_PKEY_CTX_add1_hkdf_info(context, bytes(info), static_cast<int>(info.size())) == 1 &&
      EVP_PKEY_derive(context, out.data(), &size) == 1;
  EVP_PKEY_CTX_free(context);
  if (!ok)
    return fail(errc::internal, "deriving a key from the cluster secret: {}", tls_error_text());
  return out;
}

// A session that stands for the shared key.
SSL_SESSION* session_of(SSL* ssl) {
  const auto* key =
      static_cast<const key_bytes*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), key_index()));
  constexpr unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
  const auto* cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
  auto* session = SSL_SESSION_new();
  if (session != nullptr && cipher != nullptr &&
      SSL_SESSION_set1_master_key(session, key->data(), key->size()) == 1 &&
      SSL_SESSION_set_cipher(session, cipher) == 1 &&
      SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1 &&
      SSL_SESSION_set1_id_context(session, session_context(), session_context_bytes) == 1)
    return session;
  SSL_SESSION_free(session);
  return nullptr;
}

int find_psk(SSL* ssl, const unsigned char* identity, std::size_t size, SSL_SESSION** out) {
  const auto known =
      std::string_view{reinterpret_cast<const char*>(identity), size} == psk_identity;
  *out = known ? session_of(ssl) : nullptr;
  return 1; // no session: the handshake goes on without it, and fails for want of a certificate
}

int use_psk(SSL* ssl, const EVP_MD* hash, const unsigned char** identity, std::size_t* size,
            SSL_SESSION** out) {
  *identity = reinterpret_cast<const unsigned char*>(psk_identity.data());
  *size = psk_identity.size();
  *out = hash == nullptr || EVP_MD_is_a(hash, "SHA256") == 1 ? session_of(ssl) : nullptr;
  return 1;
}

std::string entry_of(X509* certificate, int nid) {
  auto text = std::array<char, 256>{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), nid, text.data(),
                            static_cast<int>(text.size()));
  return text.data();
}

// Behind the role stand capabilities; those of a later version mean nothing here.
peer_capabilities capabilities_of(X509* certificate) {
  auto out = peer_capabilities{};
  auto* const subject = X509_get_subject_name(certificate);
  for (auto at = X509_NAME_get_index_by_NID(subject, NID_organizationalUnitName, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(subject, NID_organizationalUnitName, at)) {
    const auto* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    const auto unit = std::string_view{reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                       static_cast<std::size_t>(ASN1_STRING_length(text))};
    out.sessions = out.sessions || unit == sessions_capability;
    out.calls_nodes = out.calls_nodes || unit == calls_nodes_capability;
  }
  return out;
}

result<peer_identity> identity_from(X509* certificate) {
  auto out = peer_identity{};
  out.name = entry_of(certificate, NID_commonName);
  auto until = std::tm{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &until) == 1)
    out.until = std::chrono::system_clock::from_time_t(::timegm(&until));
  const auto role = entry_of(certificate, NID_organizationalUnitName);
  for (const auto known : {peer_role::laptop, peer_role::node, peer_role::operator_})
    if (role == name_of(known))
      out.role = known;
  if (out.role == peer_role::anyone || out.name.empty())
    return fail(
        errc::mismatch,
        "certificate of \"{}\" names the role \"{}\" (OU), expected laptop, node or operator",
        out.name, role);
  out.also = capabilities_of(certificate);
  return out;
}

} // namespace

const char* name_of(peer_role role) noexcept {
  switch (role) {
  case peer_role::anyone: return "anyone";
  case peer_role::laptop: return "laptop";
  case peer_role::node: return "node";
  case peer_role::operator_: return "operator";
  }
  return "unknown";
}

std::string tls_error_text() {
  auto out = std::string{};
  while (const auto code = ERR_get_error()) {
    const auto* reason = ERR_reason_error_string(code);
    out += (out.empty() ? "" : ", ") + std::string{reason != nullptr ? reason : "unknown error"};
  }
  return out.empty() ? "no reason given" : out;
}

void tls_context::free_ssl::operator()(ssl_st* s) const noexcept {
  SSL_free(s);
}

tls_context::~tls_context() {
  SSL_CTX_free(context_);
}

namespace {

result<SSL_CTX*> new_context() {
  auto* c = SSL_CTX_new(TLS_method());
  if (c == nullptr)
    return fail(errc::internal, "TLS: {}", tls_error_text());
  SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
  // Tickets would let a peer come back after its certificate was taken away.
  SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(c, 0);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return c;
}

} // namespace

result<tls_context_ptr> tls_context::from_files(const topology::tls_files& files) {
  for (const auto& [what, path] :
       {std::pair{"CA certificate", files.ca}, std::pair{"certificate", files.certificate},
        std::pair{"key", files.key}}) {
    if (path.empty())
      return fail(errc::usage, "TLS: the {} is missing: CA, certificate and key come together",
                  what);
    LARQL_TRY(const auto readable, file::open(path));
    (void) readable;
  }
  ERR_clear_error();
  auto out = std::shared_ptr<tls_context>{new tls_context};
  LARQL_TRY(out->context_, new_context());
  auto* c = out->context_;
  if (SSL_CTX_load_verify_locations(c, files.ca.c_str(), nullptr) != 1)
    return fail(errc::corrupt, "{}: not a usable CA certificate: {}", files.ca.string(),
                tls_error_text());
  if (SSL_CTX_use_certificate_chain_file(c, files.certificate.c_str()) != 1)
    return fail(errc::corrupt, "{}: not a usable certificate: {}", files.certificate.string(),
                tls_error_text());
  if (SSL_CTX_use_PrivateKey_file(c, files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail(errc::corrupt, "{}: not a usable key for {}: {}", files.key.string(),
                files.certificate.string(), tls_error_text());
  auto* own = SSL_CTX_get0_certificate(c);
  if (X509_cmp_current_time(X509_get0_notAfter(own)) < 0)
    return fail(errc::corrupt, "{}: the certificate has expired", files.certificate.string());
  if (X509_cmp_current_time(X509_get0_notBefore(own)) > 0)
    return fail(errc::corrupt,
                "{}: the certificate is not valid yet: is this machine's clock right?",
                files.certificate.string());
  auto self = identity_from(own);
  if (!self)
    return std::move(self).error().in(files.certificate.string());
  out->self_ = *std::move(self);
  return tls_context_ptr{std::move(out)};
}

result<tls_context_ptr> tls_context::from_secret(std::string_view secret) {
  // The end of a line belongs to a file or an environment, not to the secret.
  while (!secret.empty() &&
         (secret.back() == '\n' || secret.back() == '\r' || secret.back() == ' '))
    secret.remove_suffix(1);
  if (secret.size() < min_secret_bytes)
    return fail(errc::usage, "the cluster secret has {} bytes, expected at least {}", secret.size(),
                min_secret_bytes);
  LARQL_TRY(const auto key, derive_key(secret));
  auto out = std::shared_ptr<tls_context>{new tls_context};
  LARQL_TRY(out->context_, new_context());
  out->by_secret_ = true;
  auto* c = out->context_;
  SSL_CTX_set_ex_data(c, key_index(), new key_bytes{key});
  SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256"); // whose hash the key was made for
  if (SSL_CTX_set_session_id_context(c, session_context(), session_context_bytes) != 1)
    return fail(errc::internal, "TLS: {}", tls_error_text());
  SSL_CTX_set_psk_find_session_callback(c, find_psk);
  SSL_CTX_set_psk_use_session_callback(c, use_psk);
  return tls_context_ptr{std::move(out)};
}

result<tls_context_ptr> tls_context::from_secret_file(const std::filesystem::path& path) {
  LARQL_TRY(const auto text, read_text_file(path, max_secret_bytes));
  auto made = from_secret(text);
  if (!made)
    return std::move(made).error().in(path.string());
  return made;
}

result<tls_context_ptr> tls_context::from(const topology::security& s) {
  if (s.files.any())
    return from_files(s.files);
  if (!s.secret_file.empty())
    return from_secret_file(s.secret_file);
  if (!s.secret.empty())
    return from_secret(s.secret);
  return tls_context_ptr{};
}

tls_context::ssl_ptr tls_context::new_session(int fd) const {
  auto out = ssl_ptr{SSL_new(context_)};
  if (out && SSL_set_fd(out.get(), fd) != 1)
    out.reset();
  return out;
}

result<peer_identity> tls_context::identity_of(ssl_st* session) const {
  if (by_secret_) {
    // A server that does not know the secret could still have shown some certificate.
    if (SSL_session_reused(session) != 1)
      return fail(errc::mismatch, "the peer does not know the cluster secret");
    return peer_identity{};
  }
  auto* certificate = SSL_get1_peer_certificate(session);
  if (certificate == nullptr)
    return fail(errc::mismatch, "the peer showed no certificate");
  auto out = identity_from(certificate);
  X509_free(certificate);
  return out;
}

} // namespace larql::actors
