// Mirrors runtime/hub/gguf_pull.hpp: which bytes of a GGUF come for a role, and what is known of
// them. From outside: tests/e2e/hub_gguf_test.cpp.

#include "runtime/hub/gguf_pull.hpp"

#include "runtime/base/held_bytes.hpp"
#include "runtime/hub/pull_target.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/hub_server.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::hub {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;
using vindex::expert_block;

class GgufPull : public testing::Test {
protected:
  GgufPull() {
    options_.http.access.endpoint = server_.endpoint();
    options_.http.access.origin = server_.endpoint();
    commit(1);
  }
  // Numbers differ by the seed, sizes do not. A long key makes the head longer than a first guess.
  void commit(std::uint64_t seed) {
    auto o = test::tiny_options{};
    o.seed = seed;
    auto w = test::gguf_of(test::tiny_model{o}.checkpoint());
    w.string("general.description", std::string(300'000, 'x'));
    w.write(dir_ / "m.gguf");
    content_ = test::read_file(dir_ / "m.gguf");
    server_.commit("ann/g", {{"m-Q8_0.gguf", content_}});
  }
  [[nodiscard]] fs::path copy() const { return dir_ / "copy"; }
  result<pulled_gguf> pull(const pull_request& request) {
    server_.forget_calls();
    auto out = pull_gguf(*parse_model_address("hf://ann/g:Q8_0"), request, copy(), options_);
    if (out)
      out->lock.reset();
    return out;
  }
  static pull_request experts(std::uint32_t first, std::uint32_t last) {
    auto out = pull_request{};
    out.preset = "moe-experts";
    out.experts = {first, last};
    return out;
  }
  // Whether every byte that a file is said to hold is right.
  [[nodiscard]] bool is_right(const pulled_gguf& p) const {
    const auto held = read_held(p.files[0]);
    if (!held)
      return false;
    const auto text = test::read_file(p.files[0]);
    if (!*held)
      return text == content_;
    for (const auto i : (**held).intervals())
      if (text.substr(i.begin, i.bytes()) != content_.substr(i.begin, i.bytes()))
        return false;
    return text.size() == content_.size();
  }

  test::temporary_directory dir_;
  test::hub_server server_;
  pull_options options_;
  std::string content_;
};

TEST_F(GgufPull, ANodeGetsItsExpertsAndWhatSaysHowTheyAreStored) {
  const auto done = pull(experts(2, 3));
  ASSERT_TRUE(succeeds(done));
  ASSERT_TRUE(done->here);
  EXPECT_EQ(done->here->holds, (std::vector{expert_block{0, 2, 2, 3}}));
  EXPECT_TRUE(done->here->left_out.contains(vindex::part::attn));
  EXPECT_TRUE(is_right(*done));
  EXPECT_LT(server_.sent_bytes(), content_.size() * 3 / 4);
  EXPECT_GT(done->outcome.unchecked_bytes, 0u);
  EXPECT_NE(done->files[0].extension(), ".gguf"); // nothing else opens it
  const auto source = import::open_gguf(done->files[0], {.texts = false, .parts = done->files});
  EXPECT_TRUE(succeeds(source));
}

TEST_F(GgufPull, OthersAreAddedAndWhatIsHereIsNotAskedForAgain) {
  ASSERT_TRUE(succeeds(pull(experts(2, 3))));
  options_.keep_commit = true;
  const auto same = pull(experts(3, 3));
  ASSERT_TRUE(succeeds(same));
  EXPECT_EQ(server_.hub().calls().size() + server_.storage().calls().size(), 0u);
  EXPECT_EQ(same->here->holds, (std::vector{expert_block{0, 2, 2, 3}}));
  const auto more = pull(experts(4, 6));
  ASSERT_TRUE(succeeds(more));
  EXPECT_EQ(more->here->holds, (std::vector{expert_block{0, 2, 2, 6}}));
  auto client = pull_request{};
  client.preset = "moe-client";
  const auto dense = pull(client);
  ASSERT_TRUE(succeeds(dense));
  EXPECT_TRUE(dense->here->left_out.empty());
  EXPECT_EQ(dense->here->holds, (std::vector{expert_block{0, 2, 2, 6}}));
  EXPECT_TRUE(is_right(*dense));
}

TEST_F(GgufPull, AWholeFileIsCheckedAndGetsItsNameAndAsksForTheRestOnly) {
  ASSERT_TRUE(succeeds(pull(experts(0, 6))));
  options_.keep_commit = true;
  const auto done = pull({});
  ASSERT_TRUE(succeeds(done));
  EXPECT_LT(server_.sent_bytes(), content_.size() * 3 / 4);
  EXPECT_EQ(done->files[0], copy() / "m-Q8_0.gguf");
  EXPECT_FALSE(done->here);
  EXPECT_EQ(done->outcome.unchecked_bytes, 0u);
  EXPECT_EQ(test::read_file(done->files[0]), content_);
  EXPECT_EQ(done->contents, std::vector{test::sha256_of(content_)});
  // And serves whoever wants a part.
  const auto part = pull(experts(0, 1));
  ASSERT_TRUE(succeeds(part));
  EXPECT_FALSE(part->here);
  EXPECT_EQ(part->files[0], done->files[0]);
}

TEST_F(GgufPull, AWrongHashIsFoundAndTheFileFetchedAgain) {
  server_.storage().add_fault({.target = "/blob/", .flip = true});
  const auto done = pull({});
  ASSERT_TRUE(succeeds(done));
  EXPECT_EQ(test::read_file(done->files[0]), content_);
  EXPECT_GT(server_.sent_bytes(), content_.size());
}

TEST_F(GgufPull, AnotherCommitsBytesAreNotMixedIn) {
  const auto old = pull(experts(2, 3));
  ASSERT_TRUE(succeeds(old));
  const auto in_use = *file::open(old->files[0]);
  const auto before = test::read_file(old->files[0]);
  commit(2);
  const auto later = pull(experts(4, 4));
  ASSERT_TRUE(succeeds(later));
  EXPECT_EQ(later->here->holds, (std::vector{expert_block{0, 2, 4, 4}}));
  EXPECT_NE(later->contents, old->contents);
  EXPECT_TRUE(is_right(*later));
  // Whoever has the old one open goes on reading it.
  auto text = std::string(before.size(), '?');
  ASSERT_TRUE(succeeds(in_use.read(0, std::as_writable_bytes(std::span{text}))));
  EXPECT_EQ(text, before);
}

TEST_F(GgufPull, AStoppedPullGoesOn) {
  auto stop = std::stop_source{};
  options_.http.stop = stop.get_token();
  server_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{5}});
  options_.on_progress = [&](const pull_progress& p) {
    if (p.done_bytes > p.total_bytes / 2)
      stop.request_stop();
  };
  EXPECT_TRUE(fails(pull(experts(0, 5)), errc::cancelled, {"goes on"}));
  server_.storage().clear_faults();
  options_.http.stop = {};
  options_.on_progress = nullptr;
  const auto done = pull(experts(0, 5));
  ASSERT_TRUE(succeeds(done));
  EXPECT_TRUE(is_right(*done));
  EXPECT_LT(done->outcome.fetched_bytes, done->outcome.wanted_bytes * 3 / 4);
}

TEST_F(GgufPull, HeadsAloneTellTheShapes) {
  auto request = experts(0, 0);
  request.experts.reset();
  request.heads = true;
  const auto done = pull(request);
  ASSERT_TRUE(succeeds(done));
  EXPECT_TRUE(done->here->holds.empty());
}

TEST_F(GgufPull, MoreThanTheModelHasIsRefused) {
  EXPECT_TRUE(fails(pull(experts(4, 8)), errc::usage, {"experts 4-8", "0-7"}));
  server_.commit("ann/g", {{"n-Q8_0.gguf", "GGUF, but nothing that follows is of one"}});
  EXPECT_TRUE(fails(
      pull_gguf(*parse_model_address("hf://ann/g/n-Q8_0.gguf"), experts(0, 1), copy(), options_),
      errc::unsupported, {"n-Q8_0.gguf", "version"}));
}

TEST_F(GgufPull, PartsOfASplitFileComeEachByItsRanges) {
  const auto model = test::tiny_model{test::tiny_options{}};
  auto parts = test::gguf_parts_of(model, 3);
  auto files = test::file_tree{};
  for (auto n = std::size_t{0}; n < parts.size(); ++n) {
    parts[n].write(dir_ / "part");
    files[fmt::format("F32/s-F32-{:05}-of-00003.gguf", n + 1)] = test::read_file(dir_ / "part");
  }
  server_.commit("ann/split", files);
  const auto address = *parse_model_address("hf://ann/split:F32");
  const auto some = pull_gguf(address, experts(2, 3), copy(), options_);
  ASSERT_TRUE(succeeds(some));
  ASSERT_EQ(some->files.size(), 3u);
  EXPECT_EQ(some->here->holds, (std::vector{expert_block{0, 2, 2, 3}}));
  const auto all = pull_gguf(address, {}, dir_ / "all", options_);
  ASSERT_TRUE(succeeds(all));
  EXPECT_FALSE(all->here);
  EXPECT_TRUE(succeeds(import::open_gguf(all->files[1]))); // they lie beside one another
}

} // namespace
} // namespace larql::hub
