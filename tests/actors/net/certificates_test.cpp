// Mirrors actors/net/certificates.hpp.

#include "actors/net/certificates.hpp"

#include "actors/net/tls_context.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <ctime>
#include <memory>

namespace larql::actors {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;

class Certificates : public testing::Test {
protected:
  [[nodiscard]] static unsigned mode_of(const fs::path& path) {
    struct stat facts {};
    EXPECT_EQ(::stat(path.c_str(), &facts), 0) << path;
    return facts.st_mode & 0777;
  }

  using x509 = std::unique_ptr<X509, decltype(&X509_free)>;
  [[nodiscard]] x509 read(const std::string& name) const {
    auto* in = std::fopen((dir / name).c_str(), "r");
    auto out = x509{PEM_read_X509(in, nullptr, nullptr, nullptr), &X509_free};
    std::fclose(in);
    return out;
  }

  /// From the beginning to the end of its validity.
  [[nodiscard]] static int days_of(const X509* c) {
    auto days = 0, seconds = 0;
    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(c), X509_get0_notAfter(c));
    EXPECT_EQ(seconds, 0);
    return days;
  }

  [[nodiscard]] result<void> issue(const member_request& r, bool replace = false) const {
    return issue_certificate(dir, r, replace);
  }
  [[nodiscard]] result<void> issue(const std::string& name, bool replace = false) const {
    return issue({name, peer_role::node, {}, member_days}, replace);
  }

  test::temporary_directory scratch;
  fs::path dir = scratch.path() / "made" / "for" / "it";
};

TEST_F(Certificates, KeysAndSecretsAreReadableByTheirOwnerOnly) {
  const auto before = ::umask(0);
  ASSERT_TRUE(succeeds(create_authority(dir, "c", authority_days, false)));
  ASSERT_TRUE(succeeds(issue("alpha")));
  ASSERT_TRUE(succeeds(create_secret(dir / "secret", false)));
  ::umask(before);
  EXPECT_EQ(mode_of(dir / "ca.key"), 0600u);
  EXPECT_EQ(mode_of(dir / "alpha.key"), 0600u);
  EXPECT_EQ(mode_of(dir / "secret"), 0600u);
}

TEST_F(Certificates, LifetimesBeginADayEarlyAndEndAsAsked) {
  ASSERT_TRUE(succeeds(create_authority(dir, "c", 100, false)));
  ASSERT_TRUE(succeeds(issue({"alpha", peer_role::node, {}, 30})));
  for (const auto& [name, days] : {std::pair{"ca.pem", 100}, std::pair{"alpha.pem", 30}}) {
    const auto c = read(name);
    EXPECT_EQ(days_of(c.get()), days + 1) << name;
    auto almost_a_day_ago = std::time(nullptr) - 24 * 60 * 60 + 60;
    EXPECT_LT(X509_cmp_time(X509_get0_notBefore(c.get()), &almost_a_day_ago), 0) << name;
  }
}

TEST_F(Certificates, NamesAndAddressesOfHostsStandInTheCertificate) {
  ASSERT_TRUE(succeeds(create_authority(dir, "c", authority_days, false)));
  ASSERT_TRUE(succeeds(
      issue({"alpha", peer_role::node, {"alpha.internal", "10.0.0.1", "fd00::1"}, member_days})));
  const auto c = read("alpha.pem");
  EXPECT_EQ(X509_check_host(c.get(), "alpha.internal", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(c.get(), "beta.internal", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(c.get(), "10.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(c.get(), "fd00::1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(c.get(), "10.0.0.2", 0), 0);
}

TEST_F(Certificates, AMemberIsSignedByItsAuthorityAndIsNoAuthority) {
  ASSERT_TRUE(succeeds(create_authority(dir, "c", authority_days, false)));
  ASSERT_TRUE(succeeds(issue("alpha")));
  const auto ca = read("ca.pem"), member = read("alpha.pem");
  EXPECT_EQ(X509_verify(member.get(), X509_get0_pubkey(ca.get())), 1);
  EXPECT_EQ(X509_check_ca(member.get()), 0);
  EXPECT_EQ(X509_check_ca(ca.get()), 1);
}

TEST_F(Certificates, TwoCertificatesHaveDifferentKeysAndNumbers) {
  ASSERT_TRUE(succeeds(create_authority(dir, "c", authority_days, false)));
  ASSERT_TRUE(succeeds(issue("alpha")));
  ASSERT_TRUE(succeeds(issue("beta")));
  const auto a = read("alpha.pem"), b = read("beta.pem");
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(a.get()), X509_get0_serialNumber(b.get())), 0);
  EXPECT_NE(test::read_file(dir / "alpha.key"), test::read_file(dir / "beta.key"));
}

TEST_F(Certificates, NothingIsReplacedUnlessAskedFor) {
  ASSERT_TRUE(succeeds(create_authority(dir, "c", authority_days, false)));
  ASSERT_TRUE(succeeds(issue("alpha")));
  ASSERT_TRUE(succeeds(create_secret(dir / "secret", false)));
  const auto before = test::read_tree(dir);
  EXPECT_TRUE(fails(create_authority(dir, "c", 1, false), errc::usage, {"ca.key", "exists"}));
  EXPECT_TRUE(fails(issue("alpha"), errc::usage, {"alpha.key", "exists"}));
  EXPECT_TRUE(fails(create_secret(dir / "secret", false), errc::usage, {"secret", "exists"}));
  fs::remove(dir / "alpha.key"); // one of the two is enough
  EXPECT_TRUE(fails(issue("alpha"), errc::usage, {"alpha.pem", "exists"}));
  EXPECT_EQ(test::read_file(dir / "ca.key"), before.at("ca.key"));
  ASSERT_TRUE(succeeds(issue("alpha", true)));
  EXPECT_NE(test::read_file(dir / "alpha.key"), before.at("alpha.key"));
}

TEST_F(Certificates, BadRequestsNameTheFieldAndWriteNothing) {
  ASSERT_TRUE(succeeds(create_authority(dir, "c", authority_days, false)));
  const auto before = test::read_tree(dir);
  for (const auto* name : {"", ".", "..", "../x", "a/b", "ca", "two words", ".hidden", "a\nb"})
    EXPECT_TRUE(fails(issue(name), errc::usage, {"name"})) << name;
  EXPECT_TRUE(fails(issue(std::string(65, 'n')), errc::usage, {"name"}));
  for (const auto* host : {"", "a b", "DNS:x", "x,IP:1.2.3.4", "http://x", "a\nb"})
    EXPECT_TRUE(fails(issue({"a", peer_role::node, {host}, member_days}), errc::usage, {"host"}))
        << host;
  for (const auto days : {0, -1, 36501})
    EXPECT_TRUE(fails(issue({"a", peer_role::node, {}, days}), errc::usage, {"days"}));
  EXPECT_EQ(test::read_tree(dir), before);
}

TEST_F(Certificates, WithoutAnAuthorityNothingIsIssued) {
  fs::create_directories(dir);
  EXPECT_TRUE(fails(issue("alpha"), errc::not_found, {"ca.pem"}));
  ASSERT_TRUE(succeeds(create_authority(dir, "c", authority_days, false)));
  test::write_file(dir / "ca.key", "nonsense");
  EXPECT_TRUE(fails(issue("alpha"), errc::corrupt, {"ca.key", "not a key"}));
  const auto other = scratch.path() / "other";
  ASSERT_TRUE(succeeds(create_authority(other, "c", authority_days, false)));
  fs::copy_file(other / "ca.key", dir / "ca.key", fs::copy_options::overwrite_existing);
  EXPECT_TRUE(fails(issue("alpha"), errc::mismatch, {"ca.key is not the key of ca.pem"}));
}

TEST_F(Certificates, CapabilitiesStandBehindTheRole) {
  ASSERT_TRUE(succeeds(create_authority(dir, "c", authority_days, false)));
  auto ann = member_request{"ann", peer_role::laptop, {}, member_days};
  ann.also.sessions = true;
  ASSERT_TRUE(succeeds(issue(ann)));
  auto alpha = member_request{"alpha", peer_role::node, {}, member_days};
  alpha.also.calls_nodes = true;
  ASSERT_TRUE(succeeds(issue(alpha)));
  ASSERT_TRUE(succeeds(issue({"old", peer_role::laptop, {}, member_days})));
  const auto identity = [&](const std::string& name) {
    return (*tls_context::from_files(
                {dir / "ca.pem", dir / (name + ".pem"), dir / (name + ".key")}))
        ->self();
  };
  EXPECT_EQ(identity("ann").role, peer_role::laptop);
  EXPECT_TRUE(identity("ann").may_open_sessions());
  EXPECT_TRUE(identity("alpha").may_call());
  EXPECT_FALSE(identity("alpha").may_open_sessions());
  EXPECT_FALSE(identity("old").may_open_sessions()) << "a certificate without capabilities";
  EXPECT_TRUE(identity("old").may_call());
}

TEST_F(Certificates, CapabilitiesThatDoNotSuitTheRoleAreRefused) {
  ASSERT_TRUE(succeeds(create_authority(dir, "c", authority_days, false)));
  auto node = member_request{"alpha", peer_role::node, {}, member_days};
  node.also.sessions = true;
  EXPECT_TRUE(fails(issue(node), errc::usage, {"alpha"}));
  auto laptop = member_request{"ann", peer_role::laptop, {}, member_days};
  laptop.also.calls_nodes = true;
  EXPECT_TRUE(fails(issue(laptop), errc::usage, {"calls-nodes"}));
}

} // namespace
} // namespace larql::actors
