#include "actors/net/member_files.hpp"

#include "actors/net/tls_context.hpp"
#include "runtime/base/mapped_file.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <memory>

namespace larql::actors {

namespace {

namespace fs = std::filesystem;
using std::chrono::system_clock;

constexpr std::uint64_t max_pem_bytes = 1 << 16;

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free>>;
using x509_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using store_ptr = std::unique_ptr<X509_STORE, freed_by<X509_STORE_free>>;
using store_context_ptr = std::unique_ptr<X509_STORE_CTX, freed_by<X509_STORE_CTX_free>>;

result<bio_ptr> open_pem(const fs::path& file) {
  LARQL_TRY(const auto text, read_text_file(file, max_pem_bytes));
  auto out = bio_ptr{BIO_new(BIO_s_mem())};
  if (!out || BIO_write(out.get(), text.data(), static_cast<int>(text.size())) < 0)
    return fail(errc::internal, "{}: {}", file.string(), tls_error_text());
  ERR_clear_error();
  return out;
}

result<std::vector<x509_ptr>> load_certificates(const fs::path& file) {
  LARQL_TRY(const auto text, open_pem(file));
  auto out = std::vector<x509_ptr>{};
  while (auto* c = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr))
    out.emplace_back(c);
  if (out.empty())
    return fail(errc::corrupt, "{}: holds no certificate: {}", file.string(), tls_error_text());
  ERR_clear_error(); // of the end of the file
  return out;
}

calendar_time time_of(const ASN1_TIME* t) {
  auto parts = std::tm{};
  if (ASN1_TIME_to_tm(t, &parts) != 1)
    return {};
  return system_clock::from_time_t(::timegm(&parts));
}

std::string entry_of(X509* certificate, int nid) {
  auto text = std::array<char, 256>{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), nid, text.data(),
                            static_cast<int>(text.size()));
  return text.data();
}

certificate_facts facts_of(const fs::path& file, X509* c) {
  return {file, entry_of(c, NID_commonName), entry_of(c, NID_organizationalUnitName),
          time_of(X509_get0_notBefore(c)), time_of(X509_get0_notAfter(c))};
}

// An expired CA cannot be helped by another certificate of it.
constexpr std::string_view after_ca =
    "make another authority and certificates of it (larql certs; docs/operations.md, \"A new CA\")";

result<void> check_validity(const certificate_facts& c, calendar_time now) {
  if (c.until < now)
    return fail(errc::corrupt,
                "{}: the certificate has expired on {}: renew it with larql certs "
                "issue",
                c.file.string(), date_of(c.until));
  if (c.from > now)
    return fail(errc::corrupt,
                "{}: the certificate is not valid before {}, and this machine's clock says {}",
                c.file.string(), date_of(c.from), date_of(now));
  return {};
}

// The certificate was signed by one of the CAs, which is valid itself.
result<void> check_chain(const topology::tls_files& files, X509* own, calendar_time now) {
  LARQL_TRY(const auto cas, load_certificates(files.ca));
  const auto store = store_ptr{X509_STORE_new()};
  const auto context = store_context_ptr{X509_STORE_CTX_new()};
  auto expired = std::string{};
  for (const auto& ca : cas) {
    X509_STORE_add_cert(store.get(), ca.get());
    const auto facts = facts_of(files.ca, ca.get());
    if (facts.until < now && X509_check_issued(ca.get(), own) == X509_V_OK)
      expired = date_of(facts.until);
  }
  if (!context || X509_STORE_CTX_init(context.get(), store.get(), own, nullptr) != 1)
    return fail(errc::internal, "{}: {}", files.certificate.string(), tls_error_text());
  if (X509_verify_cert(context.get()) == 1)
    return {};
  if (!expired.empty())
    return fail(errc::corrupt, "{}: the CA's certificate has expired on {}: {}", files.ca.string(),
                expired, after_ca);
  return fail(errc::mismatch, "{}: does not come from the CA of {}: {}", files.certificate.string(),
              files.ca.string(),
              X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
}

// Copies that the service manager made for this service alone may show the group of a list.
bool is_credential(const fs::path& file) {
  const auto* dir = std::getenv("CREDENTIALS_DIRECTORY");
  return dir != nullptr && file.string().starts_with(std::string{dir} + "/");
}

result<void> check_key(const topology::tls_files& files, X509* own) {
  LARQL_TRY(const auto text, open_pem(files.key));
  const auto key = key_ptr{PEM_read_bio_PrivateKey(text.get(), nullptr, nullptr, nullptr)};
  if (!key)
    return fail(errc::corrupt, "{}: not a key: {}", files.key.string(), tls_error_text());
  if (X509_check_private_key(own, key.get()) != 1) {
    ERR_clear_error();
    return fail(errc::mismatch, "{}: is not the key of {}", files.key.string(),
                files.certificate.string());
  }
  return {};
}

} // namespace

result<std::vector<certificate_facts>> read_certificates(const fs::path& file) {
  LARQL_TRY(const auto all, load_certificates(file));
  auto out = std::vector<certificate_facts>{};
  for (const auto& c : all)
    out.push_back(facts_of(file, c.get()));
  return out;
}

result<std::vector<certificate_facts>> read_certificates(const topology::tls_files& files) {
  LARQL_TRY(auto out, read_certificates(files.certificate));
  out.resize(1); // what follows the own one is its chain
  LARQL_TRY(const auto cas, read_certificates(files.ca));
  out.insert(out.end(), cas.begin(), cas.end());
  return out;
}

std::string date_of(calendar_time t) {
  const auto seconds = system_clock::to_time_t(t);
  auto parts = std::tm{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

std::vector<std::string> expiring(const std::vector<certificate_facts>& all, calendar_time now) {
  auto out = std::vector<std::string>{};
  for (const auto& c : all) {
    const auto left = c.until - now;
    if (left > expiry_notice)
      continue;
    const auto days = std::chrono::floor<std::chrono::days>(left).count();
    const auto when = left < calendar_time::duration::zero()
                          ? std::string{"has expired"}
                          : fmt::format("expires in {} days", days);
    out.push_back(fmt::format("{}: the certificate of the {} {} {}, on {}", c.file.string(), c.role,
                              c.name, when, date_of(c.until)));
  }
  return out;
}

result<void> check_private(const fs::path& file) {
  struct stat facts {};
  if (::stat(file.c_str(), &facts) != 0)
    return fail(errc::io, "{}: {}", file.string(), std::generic_category().message(errno));
  const auto allowed = is_credential(file) ? 0740u : 0700u;
  const auto mode = facts.st_mode & 0777u;
  if (S_ISREG(facts.st_mode) && (mode & ~allowed) != 0)
    return fail(errc::usage,
                "{}: others may read or replace it (mode {:04o}), expected 0600: chmod 600",
                file.string(), mode);
  return {};
}

result<void> check_member(const topology::tls_files& files, peer_role role,
                          const std::string& name) {
  const auto now = system_clock::now();
  LARQL_TRY(const auto all, load_certificates(files.certificate));
  auto* own = all.front().get();
  const auto facts = facts_of(files.certificate, own);
  if (facts.role != name_of(role))
    return fail(errc::usage, "{}: is the certificate of the {} {}, expected one of a {}",
                facts.file.string(), facts.role, facts.name, name_of(role));
  if (!name.empty() && facts.name != name)
    return fail(errc::usage, "{}: is the certificate of the {} {}, expected that of {}",
                facts.file.string(), facts.role, facts.name, name);
  LARQL_TRY_VOID(check_validity(facts, now));
  LARQL_TRY_VOID(check_chain(files, own, now));
  LARQL_TRY_VOID(check_key(files, own));
  return check_private(files.key);
}

} // namespace larql::actors
