// Mirrors runtime/hub/pull.hpp and pull_plan.hpp: what a role gets, byte by byte. What happens on
// the way is in tests/e2e/pull_test.cpp.

#include "runtime/hub/pull.hpp"

#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hub_server.hpp"
#include "tests/support/tiny_drafter.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::hub {
namespace {

using test::fails;
using test::succeeds;

using file_map = test::file_tree;

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

TEST_F(PullOfRoles, ALaptopGetsTheDrafterAndANodeDoesNot) {
  test::tiny_drafter{model_.config()}.add_to(model_.path());
  server_.commit_directory("ann/tiny", model_.path());
  auto request = pull_request{};
  request.preset = "moe-client";
  ASSERT_TRUE(succeeds(pull(request)));
  auto drafter = vindex::read_drafter(copy(), model_.config());
  ASSERT_TRUE(succeeds(drafter));
  ASSERT_TRUE(drafter->has_value());
  EXPECT_TRUE(succeeds(vindex::drafter_weights::open(copy(), **drafter)));
  EXPECT_TRUE(presence().parts.contains(vindex::part::drafter));
  std::filesystem::remove_all(copy());
  request.preset = "moe-experts";
  ASSERT_TRUE(succeeds(pull(request)));
  drafter = vindex::read_drafter(copy(), model_.config());
  ASSERT_TRUE(succeeds(drafter));
  EXPECT_FALSE(drafter->has_value());
  EXPECT_TRUE(presence().left_out.contains(vindex::part::drafter));
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

TEST_F(PullOfRoles, WhatCannotRunIsRefusedBeforeAnythingLargeIsFetched) {
  auto request = pull_request{};
  request.preset = "moe-experts";
  ASSERT_TRUE(succeeds(pull(request)));
  auto files = test::read_tree(copy());
  std::erase_if(files, [](const auto& f) { return f.first.starts_with(".larql-pull"); });
  const auto layer = test::sha256_of(files.at("layers/layer_00.weights"));
  server_.commit("ann/experts", files);
  files.erase("larql_slice.json"); // as slices of others are
  files.erase("checksums.json");
  server_.commit("ann/others", files);
  server_.forget_calls();
  request = {};
  request.to_run = true;
  for (const auto& [name, why] : {std::pair{"ann/experts", "this slice has no embed,attn"},
                                  std::pair{"ann/others", "lacks the part embed"}}) {
    const auto from = *parse_hub_path(fmt::format("hf://{}", name));
    EXPECT_TRUE(fails(hub::pull(from, request, dir_ / name, options_), errc::mismatch,
                      {fmt::format("hf://{}", name), why}));
  }
  for (const auto& c : server_.storage().calls())
    EXPECT_EQ(c.target.find(layer), std::string::npos) << "something large was fetched";
  request.to_run = false; // who wants the slice gets it
  EXPECT_TRUE(succeeds(
      hub::pull(*parse_hub_path("hf://ann/experts"), request, dir_ / "ann/experts", options_)));
}

TEST_F(PullOfRoles, ARepositoryOfOtherFilesSaysWhatMakesAVindexOfThem) {
  server_.commit("ann/ggufs", {{"model-Q4_K_M.gguf", "x"}});
  server_.commit("ann/checkpoint", {{"config.json", "{}"}, {"model.safetensors", "x"}});
  for (const auto& [name, what] :
       {std::pair{"ann/ggufs", "as in hf://OWNER/NAME:Q4_K_M"},
        std::pair{"ann/checkpoint", "it is a checkpoint, of which `larql run`"}})
    EXPECT_TRUE(
        fails(hub::pull(*parse_hub_path(fmt::format("hf://{}", name)), {}, dir_ / name, options_),
              errc::not_found, {name, "is no vindex", what}));
}

TEST_F(PullOfRoles, ExpertsThatAreElsewhereAreNotNeededToRun) {
  auto request = pull_request{};
  request.preset = "moe-client";
  ASSERT_TRUE(succeeds(pull(request)));
  auto files = test::read_tree(copy());
  std::erase_if(files, [](const auto& f) { return f.first.starts_with(".larql-pull"); });
  server_.commit("ann/client", files);
  const auto from = *parse_hub_path("hf://ann/client");
  request.to_run = true;
  EXPECT_TRUE(succeeds(hub::pull(from, request, dir_ / "client", options_)));
  request.preset = "all";
  EXPECT_TRUE(fails(hub::pull(from, request, dir_ / "whole", options_), errc::mismatch,
                    {"hf://ann/client", "no experts"}));
}

// ---- what a repository says of itself and does not keep
// ------------------------------------------

class PullOfLies : public PullOfRoles {
protected:
  /// A repository with the model's files after `change`; a pull into an empty directory.
  result<pull_outcome> pull_changed(const std::function<void(file_map&)>& change,
                                    const pull_request& request = {}) {
    auto all = test::read_tree(model_.path());
    change(all);
    server_.commit("ann/lies", all);
    return hub::pull(*parse_hub_path("hf://ann/lies"), request, dir_ / "lies", options_);
  }
  void expect_nothing_is_done() const {
    EXPECT_FALSE(std::filesystem::exists(dir_ / "lies/index.json"));
  }
};

TEST_F(PullOfLies, AFileThatChecksumsNameAndTheListingDoesNotIsAnError) {
  EXPECT_TRUE(fails(pull_changed([](file_map& f) { f.erase("norms.bin"); }), errc::corrupt,
                    {"hf://ann/lies", "has no norms.bin", "checksums.json"}));
  expect_nothing_is_done();
}

TEST_F(PullOfLies, AMissingPartIsAnErrorAlsoWithoutChecksums) {
  auto request = pull_request{};
  for (const auto& [preset, name] :
       {std::pair{"moe-experts", "norms.bin"}, std::pair{"moe-experts", "weight_manifest.json"},
        std::pair{"moe-client", "attn_weights_q4k.bin"},
        std::pair{"moe-client", "interleaved_q4k_manifest.json"}}) {
    request.preset = preset;
    server_.storage().forget_calls();
    const auto name_of_repo = fmt::format("ann/lacks-{}-{}", preset, name);
    auto all = test::read_tree(model_.path());
    all.erase(name);
    all.erase("checksums.json");
    server_.commit(name_of_repo, all);
    EXPECT_TRUE(fails(
        hub::pull(*parse_hub_path("hf://" + name_of_repo), request, dir_ / name_of_repo, options_),
        errc::mismatch, {name_of_repo, name, preset}));
    const auto layer = test::sha256_of(all.at("layers/layer_00.weights"));
    for (const auto& c : server_.storage().calls())
      EXPECT_EQ(c.target.find(layer), std::string::npos) << "something large was fetched";
  }
}

TEST_F(PullOfLies, AnotherSizeThanChecksumsSayIsAnError) {
  EXPECT_TRUE(fails(pull_changed([](file_map& f) { f["norms.bin"] += "x"; }), errc::corrupt,
                    {"norms.bin", "in the listing", "checksums.json"}));
  expect_nothing_is_done();
}

TEST_F(PullOfLies, AnotherHashThanChecksumsSayIsAnError) {
  const auto flip = [](file_map& f) { f["norms.bin"][0] ^= 1; };
  EXPECT_TRUE(fails(pull_changed(flip), errc::corrupt,
                    {"norms.bin", "the listing's SHA-256", "checksums.json"}));
  expect_nothing_is_done();
}

TEST_F(PullOfLies, SoItIsForFilesOfWhichTheListingHasNoSha256) {
  server_.lfs_bytes = 1 << 30; // git has them all
  const auto flip = [](file_map& f) { f["norms.bin"][0] ^= 1; };
  EXPECT_TRUE(fails(pull_changed(flip), errc::corrupt, {"norms.bin", "checksums.json"}));
  expect_nothing_is_done();
}

TEST_F(PullOfLies, AModelCardThatWasEditedOnTheHubIsNoDamage) {
  for (const auto lfs_bytes : {std::size_t{1000}, std::size_t{1}}) {
    server_.lfs_bytes = lfs_bytes;
    const auto done = pull_changed([](file_map& f) {
      auto sums = *vindex::parse_checksums(f["checksums.json"], "sums");
      sums.files["README.md"] = {3, hash_bytes({})};
      f["checksums.json"] = vindex::write_checksums(sums);
      f["README.md"] = "edited";
    });
    ASSERT_TRUE(succeeds(done));
    const auto sums = vindex::read_checksums(dir_ / "lies");
    EXPECT_FALSE((*sums)->files.contains("README.md"));
    std::filesystem::remove_all(dir_ / "lies");
  }
}

TEST_F(PullOfLies, AFileOfTheUsersOwnIsNotReplaced) {
  ASSERT_TRUE(succeeds(pull_changed([](file_map&) {})));
  test::write_file(dir_ / "lies/README.md", "my notes");
  const auto add = [](file_map& f) { f["README.md"] = "of the Hub"; };
  EXPECT_TRUE(fails(pull_changed(add), errc::usage,
                    {(dir_ / "lies/README.md").string(), "was not made by a pull"}));
  EXPECT_EQ(test::read_file(dir_ / "lies/README.md"), "my notes");
}

TEST_F(PullOfRoles, ARepositoryThatDoesNotExistLeavesNoDirectory) {
  auto request = pull_request{};
  EXPECT_FALSE(hub::pull(*parse_hub_path("hf://ann/none"), request, dir_ / "none", options_));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "none"));
}

} // namespace
} // namespace larql::hub
