// Mirrors runtime/hub/publish.hpp and cli/laptop/publish.cpp: what is published comes back the
// same, what is there is not sent again, and the token stays between us and the Hub.

#include "tests/e2e/programs.hpp"
#include "tests/support/hub_server.hpp"

namespace larql::test {
namespace {

class Publish : public model_test {
protected:
  [[nodiscard]] child_process::variables environment(const std::string& token = "hf_secret") const {
    auto out = hub_.environment(token);
    out["LARQL_CACHE"] = (scratch_ / "cache").string();
    return out;
  }
  [[nodiscard]] finished publish(const words& options = {},
                                 const std::string& token = "hf_secret") const {
    auto command = larql({"publish", vindex().string(), "--repo", "ann/tiny"});
    command.insert(command.end(), options.begin(), options.end());
    return run(command, environment(token));
  }
  void expect_published() const {
    auto there = hub_.files("ann/tiny");
    there.erase(".gitattributes");
    const auto expected = read_tree(vindex());
    EXPECT_EQ(there.size(), expected.size());
    for (const auto& [name, content] : expected)
      EXPECT_EQ(difference(there[name], content), "") << name;
  }
  std::uint64_t put_bytes() {
    auto sum = std::uint64_t{0};
    for (const auto& c : hub_.storage().calls())
      sum += c.method == "PUT" ? c.body.size() : 0;
    return sum;
  }

  /// Bytes of the files that are large ones for the Hub.
  [[nodiscard]] std::uint64_t large_bytes() const {
    auto sum = std::uint64_t{0};
    for (const auto& [name, content] : read_tree(vindex()))
      sum += content.size() >= hub_.lfs_bytes ? content.size() : 0;
    return sum;
  }

  // ---- uploads in parts -------------------------------------------------------------------------

  [[nodiscard]] fs::path uploads() const { return scratch_ / "cache/publish-uploads"; }
  [[nodiscard]] std::size_t unfinished() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator{uploads()}, fs::directory_iterator{}));
  }
  /// A publish that is killed when the sixth part of a file of many is on its way.
  void begin_and_kill() {
    hub_.part_bytes = large_bytes() / 60;
    hub_.storage().add_fault({.target = "/6?", .times = 1000, .status = 503});
    auto child = child_process{
        larql({"publish", vindex().string(), "--repo", "ann/tiny", "--connections", "1"}),
        environment()};
    ASSERT_TRUE(child.wait_for_err("503"));
    child.signal(SIGKILL);
    ASSERT_TRUE(child.wait());
    hub_.storage().clear_faults();
  }

  hub_server hub_;
};

TEST_F(Publish, AndPullAndRunGiveTheSameModel) {
  const auto expected = logits();
  hub_.part_bytes = 100'000; // most files in parts
  const auto done = publish();
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.out.find("hf://ann/tiny@"), std::string::npos) << done.out;
  expect_published();
  EXPECT_GT(hub_.storage().count("/part/"), 20u);
  EXPECT_GT(hub_.storage().count("/complete/"), 3u);
  EXPECT_GT(hub_.hub().count("/lfs/verify"), 3u);
  EXPECT_EQ(hub_.hub().count("/commit/"), 1u);
  EXPECT_EQ(hub_.token_leaks(), 0u);

  const auto copy = scratch_ / "copy";
  const auto pulled = run(larql({"pull", "hf://ann/tiny", "-o", copy.string()}), environment());
  ASSERT_EQ(pulled.code, 0) << pulled.err;
  const auto verified = run(larql({"verify", copy.string()}));
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  const auto out = scratch_ / "pulled.logits";
  ASSERT_EQ(run(larql({"logits", copy.string(), "--ids", prompt_ids, "-o", out.string()})).code, 0);
  EXPECT_EQ(difference(read_file(out), expected), "");
}

TEST_F(Publish, ASecondTimeSendsNothing) {
  ASSERT_EQ(publish().code, 0);
  hub_.forget_calls();
  const auto again = publish();
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.out.find("nothing new"), std::string::npos) << again.out;
  EXPECT_EQ(hub_.storage().calls().size(), 0u);
  EXPECT_EQ(hub_.hub().count("/commit/"), 0u);
  write_file(vindex() / "README.md", std::string_view{"hello"});
  ASSERT_EQ(publish().code, 0);
  EXPECT_EQ(put_bytes(), 0u); // it is small: part of the commit
  EXPECT_EQ(hub_.files("ann/tiny").at("README.md"), "hello");
  EXPECT_EQ(hub_.hub().count("/commit/"), 1u);
  ASSERT_EQ(publish({"--force"}).code, 0);
  EXPECT_EQ(hub_.hub().count("/commit/"), 2u);
  expect_published();
}

TEST_F(Publish, WhatAKilledRunHasSentIsNotSentAgain) {
  const auto uploads_of = [&](const std::set<std::string>& files) {
    auto n = std::size_t{0};
    for (const auto& c : hub_.storage().calls())
      n += std::any_of(files.begin(), files.end(), [&](const std::string& oid) {
        return c.target.find("/upload/" + oid) != std::string::npos;
      });
    return n;
  };
  hub_.storage().add_fault({.target = "/upload/", .skip = 4, .times = 1000, .status = 503});
  {
    auto child =
        child_process{larql({"publish", vindex().string(), "--repo", "ann/tiny"}), environment()};
    ASSERT_TRUE(child.wait_for_err("503"));
    // Those that were let through may be on their way still, although a later one has failed.
    ASSERT_TRUE(eventually([&] { return uploads_of(hub_.stored()) == 4; }));
    child.signal(SIGKILL);
    ASSERT_TRUE(child.wait());
  }
  hub_.storage().clear_faults();
  const auto sent = hub_.stored();
  hub_.forget_calls();
  const auto done = publish();
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(uploads_of(sent), 0u);
  EXPECT_GT(hub_.storage().count("/upload/"), 0u);
  expect_published();
}

TEST_F(Publish, AnUploadKilledBetweenPartsGoesOnAtTheMissingOnes) {
  begin_and_kill();
  ASSERT_GT(hub_.open_uploads(), 0u);
  const auto before = put_bytes();
  const auto done = publish({"--connections", "1"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto sent = put_bytes();
  fmt::print("killed at {} bytes: {} bytes sent for {} ({:.3f})\n", before, sent, large_bytes(),
             static_cast<double>(sent) / static_cast<double>(large_bytes()));
  EXPECT_LT(sent, large_bytes() * 11 / 10);
  EXPECT_EQ(done.err.find("sent anew"), std::string::npos) << done.err;
  expect_published();
  EXPECT_EQ(unfinished(), 0u);
  EXPECT_EQ(hub_.token_leaks(), 0u);
}

TEST_F(Publish, AnUploadThatTheServerForgotIsSentAnewAndThatIsSaid) {
  begin_and_kill();
  hub_.forget_uploads();
  const auto done = publish();
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("sent anew: "), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("404"), std::string::npos) << done.err;
  EXPECT_EQ(done.err.find("Signature"), std::string::npos) << done.err;
  expect_published();
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Publish, AddressesThatAreTooOldAreAskedForAnew) {
  begin_and_kill();
  hub_.storage().add_fault({.target = "/part/", .status = 403});
  const auto done = publish({"--connections", "1"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("sent anew: "), std::string::npos) << done.err;
  expect_published();
}

TEST_F(Publish, APartThatTheServerLostIsFoundOutAtTheEnd) {
  begin_and_kill();
  hub_.storage().add_fault({.target = "/complete/", .status = 400});
  const auto done = publish({"--connections", "1"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("sent anew: "), std::string::npos) << done.err;
  expect_published();
}

TEST_F(Publish, TheAddressesOfAnUploadAreForItsOwnerAlone) {
  begin_and_kill();
  const auto mode = [](const fs::path& p) { return fs::status(p).permissions(); };
  EXPECT_EQ(mode(uploads()), fs::perms::owner_all);
  for (const auto& f : fs::directory_iterator{uploads()})
    EXPECT_EQ(mode(f.path()), fs::perms::owner_read | fs::perms::owner_write) << f.path();
}

TEST_F(Publish, IsTriedAgainAfterFailuresOfTheWay) {
  hub_.part_bytes = 100'000;
  hub_.storage().add_fault({.target = "/part/", .times = 2, .status = 500});
  hub_.storage().add_fault({.target = "/complete/", .status = 503});
  hub_.storage().add_fault({.target = "/upload/", .cut_after = 0});
  hub_.hub().add_fault({.target = "/objects/batch", .status = 429, .headers = {"Retry-After: 1"}});
  hub_.hub().add_fault({.target = "/preupload/", .status = 502});
  const auto done = publish();
  ASSERT_EQ(done.code, 0) << done.err;
  expect_published();
}

TEST_F(Publish, ADryRunChangesNothing) {
  const auto said = publish({"--dry-run"}, "");
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("ann/tiny (new)"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("layers/layer_00.weights"), std::string::npos) << said.out;
  EXPECT_TRUE(hub_.repositories().empty());
  for (const auto& c : hub_.hub().calls())
    EXPECT_EQ(c.method, "GET") << c.target;
}

TEST_F(Publish, WithoutTheRightToWriteSaysSo) {
  auto refused = publish({}, "");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("HF_TOKEN"), std::string::npos) << refused.err;
  hub_.commit("ann/tiny", {{"README.md", "mine"}});
  refused = publish({}, "hf_reader");
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("right to write"), std::string::npos) << refused.err;
}

TEST_F(Publish, ADirectoryThatIsNoModelIsRefused) {
  const auto dir = scratch_ / "letters";
  write_file(dir / "letter.txt", std::string_view{"dear"});
  const auto refused = run(larql({"publish", dir.string(), "--repo", "ann/tiny"}), environment());
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("index.json"), std::string::npos) << refused.err;
  EXPECT_TRUE(hub_.hub().calls().empty());
}

TEST_F(Publish, SlicesGoToRepositoriesOfTheirOwnAndRun) {
  const auto expected = logits();
  const auto done = publish({"--slices", "moe-client,moe-experts", "--private", "--no-full"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(hub_.repositories(), (words{"ann/tiny-moe-client", "ann/tiny-moe-experts"}));
  EXPECT_TRUE(hub_.is_private("ann/tiny-moe-client"));
  EXPECT_FALSE(hub_.files("ann/tiny-moe-client").contains("layers/layer_00.weights"));
  EXPECT_FALSE(hub_.files("ann/tiny-moe-experts").contains("embeddings.bin"));

  const auto client = scratch_ / "client", experts = scratch_ / "experts";
  for (const auto& [repo, dir] : {std::pair{"hf://ann/tiny-moe-client", client},
                                  std::pair{"hf://ann/tiny-moe-experts", experts}}) {
    const auto pulled = run(larql({"pull", repo, "-o", dir.string()}), environment());
    ASSERT_EQ(pulled.code, 0) << pulled.err;
    const auto verified = run(larql({"verify", dir.string()}));
    EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  }
  const auto node = std::make_unique<node_process>(experts, words{});
  const auto out = scratch_ / "slices.logits";
  const auto ran = run(larql({"logits", client.string(), "--ids", prompt_ids, "-o", out.string(),
                              "--moe-shards", node->owns("0-7")}));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(difference(read_file(out), expected), "");
}

} // namespace
} // namespace larql::test
