// Mirrors runtime/hub/model_listing.hpp.

#include "runtime/hub/model_listing.hpp"

#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::hub {
namespace {

using test::fails;
using test::succeeds;

snapshot with(std::vector<std::string> paths) {
  auto out = snapshot{"hf://a/b@main", std::string(40, 'c'), {}};
  std::sort(paths.begin(), paths.end());
  for (auto& p : paths)
    out.files.push_back({std::move(p), 3'000'000'000, "", std::string(64, 'd')});
  return out;
}

result<gguf_model> choose(const snapshot& s, const std::string& address) {
  return choose_gguf(s, *parse_model_address(address));
}

// As uploaders have them.
const auto& usual() {
  static const auto s = with({"README.md", "config.json", "gemma-4-26B-A4B-it-Q4_K_M.gguf",
                              "gemma-4-26B-A4B-it-UD-Q4_K_M.gguf", "gemma-4-26B-A4B-it-Q8_0.gguf",
                              "BF16/gemma-4-26B-A4B-it-BF16-00001-of-00002.gguf",
                              "BF16/gemma-4-26B-A4B-it-BF16-00002-of-00002.gguf",
                              "mmproj-BF16.gguf", "imatrix_unsloth.gguf"});
  return s;
}

TEST(ModelListing, WhatARepositoryKeepsIsToldByItsFiles) {
  EXPECT_EQ(kind_of(usual()), repo_kind::gguf);
  EXPECT_EQ(kind_of(with({"index.json", "x.gguf"})), repo_kind::vindex);
  EXPECT_EQ(kind_of(with({"config.json", "model.safetensors"})), repo_kind::checkpoint);
  EXPECT_EQ(kind_of(with({"config.json"})), repo_kind::nothing);
  EXPECT_EQ(kind_of(with({"mmproj-F16.gguf"})), repo_kind::nothing);
}

TEST(ModelListing, PartsAreOneModelAndWhatGoesBesideAModelIsNone) {
  const auto all = list_gguf(usual());
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].parts.size(), 2u);
  EXPECT_EQ(all[0].bytes(), 6'000'000'000u);
}

TEST(ModelListing, AQuantisationIsWhatANameEndsIn) {
  for (const auto& [quant, want] : {
           std::pair{"Q8_0", "gemma-4-26B-A4B-it-Q8_0.gguf"},
           {"q4_k_m", "gemma-4-26B-A4B-it-Q4_K_M.gguf"},
           {"UD-Q4_K_M", "gemma-4-26B-A4B-it-UD-Q4_K_M.gguf"},
           {"BF16", "BF16/gemma-4-26B-A4B-it-BF16-00001-of-00002.gguf"},
       }) {
    const auto found = choose(usual(), fmt::format("hf://a/b:{}", quant));
    ASSERT_TRUE(succeeds(found)) << quant;
    EXPECT_EQ(found->path, want);
  }
  EXPECT_EQ(choose(usual(), "hf://a/b:BF16")->parts.size(), 2u);
  EXPECT_EQ(choose(with({"UD-Q2/a.gguf", "UD-Q3/a.gguf"}), "hf://a/b:UD-Q3")->path, "UD-Q3/a.gguf");
}

TEST(ModelListing, AFileIsNamedByItsPathAndAPartStandsForAll) {
  const auto found = choose(usual(), "hf://a/b/BF16/gemma-4-26B-A4B-it-BF16-00002-of-00002.gguf");
  ASSERT_TRUE(succeeds(found));
  EXPECT_EQ(found->parts.size(), 2u);
  EXPECT_EQ(found->path, "BF16/gemma-4-26B-A4B-it-BF16-00001-of-00002.gguf");
  EXPECT_TRUE(fails(choose(with({"m-00001-of-00002.gguf"}), "hf://a/b/m-00001-of-00002.gguf"),
                    errc::not_found, {"m-00002-of-00002.gguf"}));
}

TEST(ModelListing, WhatIsMissingOrAmbiguousGivesTheListWithSizes) {
  for (const auto* address : {"hf://a/b:Q5_K_M", "hf://a/b:_M", "hf://a/b/x.gguf"}) {
    EXPECT_TRUE(fails(choose(usual(), address), errc::not_found,
                      {"hf://a/b@main", "Q8_0.gguf (", "GB)", "2 parts"}))
        << address;
  }
  const auto several = choose(usual(), "hf://a/b");
  EXPECT_TRUE(fails(several, errc::usage, {"hf://a/b:QUANT", "Q8_0.gguf (", "2 parts"}));
  EXPECT_EQ(several.error().text.find("mmproj"), std::string::npos);
  EXPECT_TRUE(fails(choose(with({"x-Q4.gguf", "y-Q4.gguf", "z-Q5.gguf"}), "hf://a/b:Q4"),
                    errc::usage, {"x-Q4.gguf", "y-Q4.gguf"}));
  EXPECT_EQ(choose(with({"only.gguf"}), "hf://a/b")->path, "only.gguf");
  EXPECT_TRUE(fails(choose(with({"config.json"}), "hf://a/b:Q4"), errc::not_found, {"no GGUF"}));
}

} // namespace
} // namespace larql::hub
