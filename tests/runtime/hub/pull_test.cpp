// Mirrors runtime/hub/pull.hpp and pull_plan.hpp: what a role gets, byte by byte. What happens on
// the way is in tests/e2e/pull_test.cpp.

#include "runtime/hub/pull.hpp"

#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hub_server.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::hub {
namespace {

using test::fails;
using test::succeeds;

class PullOfRoles : public testing::Test {
protected:
  PullOfRoles() {
    server_.commit_directory("ann/tiny", model_.path());
    options_.http.access.endpoint = server_.endpoint();
    options_.http.access.origin = server_.endpoint();
  }
  [[nodiscard]] std::filesystem::path copy() const { return dir_ / "copy"; }
  result<pull_outcome> pull(const pull_request& request) {
    return hub::pull(*parse_hub_path("hf://ann/tiny"), request, copy(), options_);
  }
  [[nodiscard]] vindex::layer_header header(std::uint32_t layer) const {
    const auto in = file::open(model_ / vindex::layer_file_name(layer));
    return *vindex::read_layer_header(*in, model_.config());
  }
  /// The bytes of an expert in the copy, and whether they are the model's.
  [[nodiscard]] bool has_expert(std::uint32_t layer, std::uint32_t expert) const {
    const auto name = vindex::layer_file_name(layer);
    const auto here = test::read_file(copy() / name), whole = test::read_file(model_ / name);
    EXPECT_EQ(here.size(), whole.size());
    for (const auto& r : vindex::expert_ranges(header(layer), expert))
      if (here.substr(r.offset, r.bytes) != whole.substr(r.offset, r.bytes))
        return false;
    return true;
  }
  [[nodiscard]] vindex::presence presence() const {
    return *vindex::read_presence(copy(), model_.config());
  }

  test::tiny_vindex model_;
  test::temporary_directory dir_;
  test::hub_server server_;
  pull_options options_;
};

TEST_F(PullOfRoles, ANodeGetsItsRectangleAndNothingElse) {
  auto request = pull_request{};
  request.preset = "moe-experts";
  request.experts = {2, 4};
  request.layers = {1, 2};
  const auto done = pull(request);
  ASSERT_TRUE(succeeds(done));
  EXPECT_FALSE(std::filesystem::exists(copy() / vindex::layer_file_name(0)));
  for (const auto layer : {1u, 2u})
    for (auto e = 0u; e < 8; ++e)
      EXPECT_EQ(has_expert(layer, e), e >= 2 && e <= 4) << layer << " " << e;
  EXPECT_EQ(presence().holds, (std::vector<vindex::expert_block>{{1, 2, 2, 4}}));
  EXPECT_EQ(done->unchecked_bytes, 0u);
}

TEST_F(PullOfRoles, HeadsTellTheSizeOfExpertsBeforeAnyIsFetched) {
  auto request = pull_request{};
  request.preset = "moe-experts";
  request.heads = true;
  ASSERT_TRUE(succeeds(pull(request)));
  for (auto l = 0u; l < model_.config().layers; ++l) {
    const auto in = file::open(copy() / vindex::layer_file_name(l));
    ASSERT_TRUE(succeeds(in));
    EXPECT_TRUE(succeeds(vindex::read_layer_header(*in, model_.config())));
    EXPECT_FALSE(has_expert(l, 3));
  }
  EXPECT_TRUE(presence().holds.empty());
  request.heads = false;
  request.experts = {3, 3};
  server_.forget_calls();
  ASSERT_TRUE(succeeds(pull(request)));
  EXPECT_TRUE(has_expert(0, 3));
  EXPECT_EQ(server_.storage().calls().size(), model_.config().layers); // one range of each layer
}

TEST_F(PullOfRoles, RectanglesThatMeetBecomeOne) {
  auto request = pull_request{};
  request.preset = "moe-experts";
  for (const auto range : {experts::index_range{0, 1}, {4, 7}, {2, 3}}) {
    request.experts = range;
    ASSERT_TRUE(succeeds(pull(request)));
  }
  EXPECT_EQ(presence().holds, (std::vector<vindex::expert_block>{{0, 2, 0, 7}}));
  request = {};
  ASSERT_TRUE(succeeds(pull(request)));
  EXPECT_FALSE(presence().sliced);
  EXPECT_FALSE(std::filesystem::exists(copy() / vindex::slice_file));
  EXPECT_EQ(test::read_file(copy() / vindex::checksums_file),
            test::read_file(model_ / vindex::checksums_file));
}

TEST_F(PullOfRoles, AsksForNoMoreThanTheModelHas) {
  auto request = pull_request{};
  request.preset = "moe-experts";
  request.experts = {4, 8};
  EXPECT_TRUE(fails(pull(request), errc::usage, {"experts 4-8", "0-7"}));
  request.experts = {};
  request.layers = {0, 3};
  EXPECT_TRUE(fails(pull(request), errc::usage, {"layers 0-3", "0-2"}));
  request.preset = "moe-client";
  request.layers = {0, 0};
  EXPECT_TRUE(fails(pull(request), errc::usage, {"moe-client", "no experts"}));
}

TEST_F(PullOfRoles, WithoutChecksumsWholeFilesAreCheckedAndPartsAreCounted) {
  std::filesystem::remove(model_ / vindex::checksums_file);
  server_.commit_directory("bob/plain", model_.path());
  const auto from = *parse_hub_path("hf://bob/plain");
  auto request = pull_request{};
  const auto whole = hub::pull(from, request, dir_ / "whole", options_);
  ASSERT_TRUE(succeeds(whole));
  EXPECT_EQ(whole->unchecked_bytes, 0u);
  request.preset = "moe-experts";
  request.experts = {0, 1};
  const auto part = hub::pull(from, request, dir_ / "part", options_);
  ASSERT_TRUE(succeeds(part));
  EXPECT_GT(part->unchecked_bytes, 6 * header(0).expert_bytes());
  EXPECT_LT(part->unchecked_bytes, part->wanted_bytes);
}

TEST_F(PullOfRoles, ADamagedHeadIsFetchedAgain) {
  auto request = pull_request{};
  request.preset = "moe-experts";
  request.experts = {0, 0};
  const auto oid = test::sha256_of(test::read_file(model_ / vindex::layer_file_name(1)));
  server_.storage().add_fault({.target = "/blob/" + oid, .flip = true});
  ASSERT_TRUE(succeeds(pull(request)));
  EXPECT_TRUE(has_expert(1, 0));
}

TEST_F(PullOfRoles, OfASliceComesWhatTheSliceHas) {
  auto request = pull_request{};
  request.preset = "moe-experts";
  request.experts = {0, 3};
  ASSERT_TRUE(succeeds(pull(request)));
  auto files = test::read_tree(copy());
  std::erase_if(files, [](const auto& f) { return f.first.starts_with(".larql-pull"); });
  server_.commit("ann/half", files);
  const auto from = *parse_hub_path("hf://ann/half");
  request.experts = {};
  ASSERT_TRUE(succeeds(hub::pull(from, request, dir_ / "half", options_)));
  const auto half = vindex::read_presence(dir_ / "half", model_.config());
  ASSERT_TRUE(succeeds(half));
  EXPECT_EQ(half->holds, (std::vector<vindex::expert_block>{{0, 2, 0, 3}}));
  request.experts = {2, 5};
  EXPECT_TRUE(
      fails(hub::pull(from, request, dir_ / "other", options_), errc::mismatch, {"hf://ann/half"}));
}

TEST_F(PullOfRoles, ARepositoryThatDoesNotExistLeavesNoDirectory) {
  auto request = pull_request{};
  EXPECT_FALSE(hub::pull(*parse_hub_path("hf://ann/none"), request, dir_ / "none", options_));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "none"));
}

} // namespace
} // namespace larql::hub
