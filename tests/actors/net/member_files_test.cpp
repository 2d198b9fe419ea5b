// Mirrors actors/net/member_files.hpp: what is wrong with a member's files is said before a peer
// refuses them.

#include "actors/net/member_files.hpp"

#include "actors/net/certificates.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/raw_tls.hpp"
#include "tests/support/temporary_directory.hpp"

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::fails;
using test::succeeds;

class MemberFiles : public testing::Test {
protected:
  MemberFiles() {
    for (const auto& at : {ours, theirs}) {
      EXPECT_TRUE(succeeds(create_authority(at, "tests", authority_days, false)));
      for (const auto& [name, role] :
           {std::pair{"alpha", peer_role::node}, std::pair{"beta", peer_role::node},
            std::pair{"me", peer_role::laptop}})
        EXPECT_TRUE(succeeds(issue_certificate(at, {name, role, {}, 20}, false)));
    }
  }

  [[nodiscard]] topology::tls_files files(const std::string& name) const {
    return {ours / "ca.pem", ours / (name + ".pem"), ours / (name + ".key")};
  }

  test::temporary_directory dir;
  std::filesystem::path ours = dir / "ours", theirs = dir / "theirs";
};

TEST_F(MemberFiles, ANodesOwnFilesAreRight) {
  EXPECT_TRUE(succeeds(check_member(files("alpha"), peer_role::node, "alpha")));
  EXPECT_TRUE(succeeds(check_member(files("alpha"), peer_role::node, "")));
}

TEST_F(MemberFiles, AnotherRoleOrNameIsAnError) {
  EXPECT_TRUE(fails(check_member(files("me"), peer_role::node, ""), errc::usage,
                    {"me.pem", "of the laptop me, expected one of a node"}));
  EXPECT_TRUE(fails(check_member(files("beta"), peer_role::node, "alpha"), errc::usage,
                    {"beta.pem", "of the node beta, expected that of alpha"}));
}

TEST_F(MemberFiles, AnotherKeyIsAnError) {
  auto f = files("alpha");
  f.key = files("beta").key;
  EXPECT_TRUE(fails(check_member(f, peer_role::node, "alpha"), errc::mismatch,
                    {"beta.key", "is not the key of", "alpha.pem"}));
}

TEST_F(MemberFiles, ACertificateOfAnotherCaIsAnError) {
  auto f = files("alpha");
  f.ca = theirs / "ca.pem";
  EXPECT_TRUE(fails(check_member(f, peer_role::node, "alpha"), errc::mismatch,
                    {"alpha.pem", "does not come from the CA of"}));
}

TEST_F(MemberFiles, AFileWithTheOldAndTheNewCaTakesCertificatesOfBoth) {
  const auto both = dir / "both.pem";
  test::write_file(both, test::read_file(ours / "ca.pem") + test::read_file(theirs / "ca.pem"));
  for (const auto& of : {ours, theirs})
    EXPECT_TRUE(succeeds(
        check_member({both, of / "alpha.pem", of / "alpha.key"}, peer_role::node, "alpha")));
  const auto all = read_certificates(both);
  ASSERT_TRUE(succeeds(all));
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(all->front().role, "authority");
}

TEST_F(MemberFiles, AKeyThatOthersMayReadIsAnError) {
  const auto key = files("alpha").key;
  std::filesystem::permissions(key, std::filesystem::perms{0644});
  EXPECT_TRUE(fails(check_member(files("alpha"), peer_role::node, "alpha"), errc::usage,
                    {"alpha.key", "mode 0644", "expected 0600"}));
}

TEST_F(MemberFiles, ACertificateOfAnotherTimeIsAnError) {
  test::expire_certificate(ours, "alpha");
  EXPECT_TRUE(fails(check_member(files("alpha"), peer_role::node, "alpha"), errc::corrupt,
                    {"alpha.pem", "has expired on", "larql certs issue"}));
  test::change_validity(ours, "beta", 7200, 10800); // the clock of one machine is wrong
  EXPECT_TRUE(fails(check_member(files("beta"), peer_role::node, "beta"), errc::corrupt,
                    {"beta.pem", "is not valid before", "this machine's clock says"}));
}

TEST_F(MemberFiles, OfAnExpiredCaNoOtherCertificateIsAdvised) {
  test::expire_certificate(ours, "ca"); // which signs itself
  const auto done = check_member(files("alpha"), peer_role::node, "alpha");
  EXPECT_TRUE(fails(done, errc::corrupt,
                    {"ca.pem", "the CA's certificate has expired on", "make another authority"}));
  EXPECT_EQ(done.error().text.find("larql certs issue"), std::string::npos) << done.error().text;
}

TEST_F(MemberFiles, WhatExpiresSoonIsNamedWithTheDay) {
  const auto all = read_certificates(files("alpha"));
  ASSERT_TRUE(succeeds(all));
  ASSERT_EQ(all->size(), 2u); // its own and the CA
  const auto now = std::chrono::system_clock::now();
  const auto soon = expiring(*all, now);
  ASSERT_EQ(soon.size(), 1u);
  EXPECT_NE(soon[0].find("the node alpha expires in 19 days, on " + date_of(all->front().until)),
            std::string::npos)
      << soon[0];
  EXPECT_NE(expiring(*all, now + 24h * 21)[0].find("has expired"), std::string::npos);
  EXPECT_TRUE(expiring(*all, now - 24h * 20).empty());
}

TEST_F(MemberFiles, AFileWithoutCertificatesIsAnError) {
  test::write_file(dir / "empty.pem", "nothing");
  EXPECT_TRUE(fails(read_certificates(dir / "empty.pem"), errc::corrupt, {"holds no certificate"}));
}

} // namespace
} // namespace larql::actors
