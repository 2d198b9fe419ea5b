// Mirrors cli/laptop/inspect_report.hpp.

#include "cli/laptop/inspect_report.hpp"
#include "tests/support/json_text.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

inspection some_inspection() {
  auto i = inspection{};
  i.model.model = "tiny";
  i.model.family = "gemma4";
  i.model.layers = 3;
  i.model.experts = 16;
  i.model.top_k = 2;
  i.model.sliding = {true, true, false};
  i.parts = {{"attention", "attn.bin", 2'000'000, {{"Q4_K", 9}, {"Q6_K", 3}}, {}},
             {"output head", "", {}, {}, "tied to the embeddings"},
             {"norms", "norms.bin", {}, {}, {}}};
  i.bank = {3'760'000, {0, 2}, {1}, 8, 8, 78'300, 78'300, {{"gate_up Q4_K", 2}}};
  return i;
}

void expect_in(const std::string& text, const std::vector<std::string>& parts) {
  for (const auto& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << part << '\n' << text;
}

TEST(InspectReport, TextSaysWhatIsThereAndWhatIsAbsent) {
  expect_in(text_of(some_inspection()),
            {"model       tiny (gemma4, ", "experts     16 per layer, 2 per token",
             "attention     2.00 MB  attn.bin  Q4_K 9, Q6_K 3\n",
             "output head tied to the embeddings\n", "norms          absent  norms.bin\n",
             "2 of 3 layers, 8 of 16 experts of 78.3 kB each\n", "layer 1 is missing\n"});
}

TEST(InspectReport, ASliceIsNotSaidToHoldAllExperts) {
  auto i = some_inspection();
  i.bank.least_held = 4;
  expect_in(text_of(i), {"4 to 8 of 16 experts of"});
  i.bank.least_held = i.bank.most_held = 16;
  expect_in(text_of(i), {"layers, 16 experts of"});
  i.bank.layers.clear();
  expect_in(text_of(i), {"expert bank    absent\n"});
}

TEST(InspectReport, JsonHasTheSame) {
  auto i = some_inspection();
  i.digest = "abc";
  i.here.sliced = true;
  i.here.preset = "moe-experts";
  const auto j = test::parse_json_text(json_of(i));
  EXPECT_EQ(j["model"]["name"], "tiny");
  EXPECT_EQ(j["model"]["sliding_layers"], 2);
  EXPECT_EQ(j["parts"][0]["bytes"], 2'000'000);
  EXPECT_EQ(j["parts"][0]["encodings"]["Q6_K"], 3);
  EXPECT_TRUE(j["parts"][2]["bytes"].is_null());
  EXPECT_EQ(j["expert_bank"]["experts_held"]["most"], 8);
  EXPECT_EQ(j["expert_bank"]["missing_layers"], (std::vector{1}));
  EXPECT_EQ(j["checksums"]["experts"], "abc");
  EXPECT_EQ(j["slice"]["preset"], "moe-experts");
}

TEST(InspectReport, NamesForgeNothing) {
  auto i = some_inspection();
  i.model.model = "e\x1b[31m\nfake: line";
  expect_in(text_of(i), {"model       e [31m fake: line ("});
  EXPECT_EQ(json_of(i).find('\x1b'), std::string::npos);
}

} // namespace
} // namespace larql::cli
