#include "actors/net/certificates.hpp"

#include "actors/net/tls_context.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/base/output_file.hpp"
#include "runtime/base/sha256.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>

namespace larql::actors {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t max_pem_bytes = 1 << 16;
constexpr long day_seconds = 24 * 60 * 60;

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using x509_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free>>;

failure crypto_error(std::string_view what) {
  return fail(errc::internal, "{}: {}", what, tls_error_text());
}

result<std::string> pem_text(BIO* bio, int written, std::string_view what) {
  if (written != 1)
    return crypto_error(what);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio, &text);
  return std::string(text, static_cast<std::size_t>(size));
}

result<std::string> pem_of(EVP_PKEY* key) {
  const auto bio = bio_ptr{BIO_new(BIO_s_mem())};
  return pem_text(bio.get(),
                  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr),
                  "key");
}

result<std::string> pem_of(X509* certificate) {
  const auto bio = bio_ptr{BIO_new(BIO_s_mem())};
  return pem_text(bio.get(), PEM_write_bio_X509(bio.get(), certificate), "certificate");
}

result<bio_ptr> read_pem(const fs::path& path) {
  LARQL_TRY(const auto text, read_text_file(path, max_pem_bytes));
  auto bio = bio_ptr{BIO_new(BIO_s_mem())};
  BIO_write(bio.get(), text.data(), static_cast<int>(text.size()));
  return bio;
}

bool add_entry(X509_NAME* name, const char* field, const std::string& text) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0) == 1;
}

bool add_extension(X509* to, X509* issuer, int nid, const std::string& value) {
  auto context = X509V3_CTX{};
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  auto* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  const auto ok = extension != nullptr && X509_add_ext(to, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return ok;
}

// A certificate with a random serial number, subject and validity; not signed yet.
result<x509_ptr> new_certificate(EVP_PKEY* key, const std::vector<std::string>& units,
                                 const std::string& name, int days) {
  auto out = x509_ptr{X509_new()};
  auto serial = std::array<unsigned char, 16>{};
  if (!out || RAND_bytes(serial.data(), serial.size()) != 1)
    return crypto_error("certificate");
  serial[0] &= 0x7f; // positive
  auto* number = BN_bin2bn(serial.data(), serial.size(), nullptr);
  const auto numbered =
      number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(out.get())) != nullptr;
  BN_free(number);
  auto* subject = X509_get_subject_name(out.get());
  if (!numbered || X509_set_version(out.get(), X509_VERSION_3) != 1 ||
      X509_gmtime_adj(X509_getm_notBefore(out.get()), -day_seconds) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(out.get()), day_seconds * days) == nullptr ||
      X509_set_pubkey(out.get(), key) != 1 || !add_entry(subject, "O", "larql") ||
      !std::all_of(units.begin(), units.end(),
                   [&](const auto& unit) { return add_entry(subject, "OU", unit); }) ||
      !add_entry(subject, "CN", name))
    return crypto_error("certificate");
  return out;
}

result<void> sign(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
  if (X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) != 1 ||
      X509_sign(certificate, issuer_key, EVP_sha256()) == 0)
    return crypto_error("signing");
  return {};
}

// Both are written before the first gets its name: a full disk leaves no half pair.
result<void> write_pair(const fs::path& stem, EVP_PKEY* key, X509* certificate, bool replace) {
  auto key_path = stem, certificate_path = stem;
  key_path += ".key";
  certificate_path += ".pem";
  LARQL_TRY(const auto key_text, pem_of(key));
  LARQL_TRY(const auto certificate_text, pem_of(certificate));
  LARQL_TRY(auto key_file, output_file::open(key_path, replace, file_access::owner_only));
  LARQL_TRY(auto certificate_file, output_file::open(certificate_path, replace));
  LARQL_TRY_VOID(key_file.write(std::as_bytes(std::span{key_text})));
  LARQL_TRY_VOID(certificate_file.write(std::as_bytes(std::span{certificate_text})));
  LARQL_TRY_VOID(key_file.commit());
  return certificate_file.commit();
}

result<void> check_absent_pair(const fs::path& stem, bool replace) {
  for (const auto* suffix : {".key", ".pem"}) {
    auto path = stem;
    path += suffix;
    LARQL_TRY_VOID(check_output(path, replace));
  }
  return {};
}

result<key_ptr> new_key() {
  auto key = key_ptr{EVP_EC_gen("P-256")};
  if (!key)
    return crypto_error("key");
  return key;
}

// "IP:10.0.0.1,DNS:a.internal"; a host that OpenSSL could read as something else is refused.
result<std::string> alternative_names(const std::vector<std::string>& hosts) {
  auto out = std::string{};
  for (const auto& host : hosts) {
    auto v4 = in_addr{};
    auto v6 = in6_addr{};
    const auto is_ip = ::inet_pton(AF_INET, host.c_str(), &v4) == 1 ||
                       ::inet_pton(AF_INET6, host.c_str(), &v6) == 1;
    const auto allowed = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '*';
    };
    if (host.empty() || (!is_ip && !std::all_of(host.begin(), host.end(), allowed)))
      return fail(errc::usage, "host \"{}\": expected a name or an address", host);
    out += fmt::format("{}{}:{}", out.empty() ? "" : ",", is_ip ? "IP" : "DNS", host);
  }
  return out;
}

result<void> check_name(const std::string& name) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
  };
  if (name.empty() || name.size() > 64 || name[0] == '.' || name == "ca" ||
      !std::all_of(name.begin(), name.end(), allowed))
    return fail(errc::usage,
                "name \"{}\": expected 1 to 64 letters, digits, dots, dashes or underscores, not "
                "\"ca\"",
                name);
  return {};
}

result<void> check_days(int days) {
  if (days < 1 || days > 36500)
    return fail(errc::usage, "days is {}, expected 1 to 36500", days);
  return {};
}

// The role first: those who know nothing else read that one.
std::vector<std::string> units_of(const member_request& request) {
  auto out = std::vector<std::string>{name_of(request.role)};
  if (request.also.sessions)
    out.emplace_back(sessions_capability);
  if (request.also.calls_nodes)
    out.emplace_back(calls_nodes_capability);
  return out;
}

result<void> check_capabilities(const member_request& request) {
  if (request.also.sessions && request.role == peer_role::node)
    return fail(errc::usage, "sessions are opened by laptops, and {} is to be a node",
                request.name);
  if (request.also.calls_nodes && request.role != peer_role::node)
    return fail(errc::usage, "calls-nodes is for nodes: a {} calls them anyway",
                name_of(request.role));
  return {};
}

} // namespace

result<void> create_authority(const fs::path& dir, const std::string& cluster, int days,
                              bool replace) {
  LARQL_TRY_VOID(check_days(days));
  auto error = std::error_code{};
  fs::create_directories(dir, error);
  if (error)
    return fail(errc::io, "{}: create directory: {}", dir.string(), error.message());
  LARQL_TRY_VOID(check_absent_pair(dir / "ca", replace));
  LARQL_TRY(const auto key, new_key());
  LARQL_TRY(const auto ca, new_certificate(key.get(), {"authority"}, cluster, days));
  if (!add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash"))
    return crypto_error("certificate");
  LARQL_TRY_VOID(sign(ca.get(), ca.get(), key.get()));
  return write_pair(dir / "ca", key.get(), ca.get(), replace);
}

result<void> issue_certificate(const fs::path& dir, const member_request& request, bool replace) {
  LARQL_TRY_VOID(check_name(request.name));
  LARQL_TRY_VOID(check_days(request.days));
  LARQL_TRY_VOID(check_capabilities(request));
  LARQL_TRY(const auto hosts, alternative_names(request.hosts));
  LARQL_TRY(const auto ca_text, read_pem(dir / "ca.pem"));
  LARQL_TRY(const auto key_text, read_pem(dir / "ca.key"));
  const auto ca = x509_ptr{PEM_read_bio_X509(ca_text.get(), nullptr, nullptr, nullptr)};
  if (!ca)
    return fail(errc::corrupt, "{}: not a certificate: {}", (dir / "ca.pem").string(),
                tls_error_text());
  const auto ca_key = key_ptr{PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr)};
  if (!ca_key)
    return fail(errc::corrupt, "{}: not a key: {}", (dir / "ca.key").string(), tls_error_text());
  if (X509_check_private_key(ca.get(), ca_key.get()) != 1)
    return fail(errc::mismatch, "{}: ca.key is not the key of ca.pem", dir.string());
  LARQL_TRY_VOID(check_absent_pair(dir / request.name, replace));
  LARQL_TRY(const auto key, new_key());
  LARQL_TRY(const auto member,
            new_certificate(key.get(), units_of(request), request.name, request.days));
  auto* m = member.get();
  if (!add_extension(m, ca.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(m, ca.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(m, ca.get(), NID_ext_key_usage, "serverAuth,clientAuth") ||
      !add_extension(m, ca.get(), NID_subject_key_identifier, "hash") ||
      !add_extension(m, ca.get(), NID_authority_key_identifier, "keyid") ||
      (!hosts.empty() && !add_extension(m, ca.get(), NID_subject_alt_name, hosts)))
    return crypto_error("certificate");
  LARQL_TRY_VOID(sign(m, ca.get(), ca_key.get()));
  return write_pair(dir / request.name, key.get(), m, replace);
}

result<void> create_secret(const fs::path& file, bool replace) {
  LARQL_TRY_VOID(check_output(file, replace));
  auto bytes = std::array<unsigned char, 32>{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1)
    return crypto_error("secret");
  return write_output(file, to_hex(std::as_bytes(std::span{bytes})) + "\n", replace,
                      file_access::owner_only);
}

} // namespace larql::actors
