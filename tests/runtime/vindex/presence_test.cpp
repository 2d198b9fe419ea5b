// Mirrors runtime/vindex/presence.hpp and slice_parts.hpp.

#include "runtime/experts/expert_bank.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/presence.hpp"
#include "runtime/vindex/vindex.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::vindex {
namespace {

using test::fails;
using test::succeeds;

presence example() {
  auto p = presence{};
  p.sliced = true;
  p.preset = "moe-experts";
  p.source = "big.vindex";
  p.parts = {part::norms, part::manifest, part::expert_layers};
  p.left_out = {part::embed, part::attn, part::ffn};
  p.holds = {{0, 1, 2, 5}, {2, 2, 0, 7}};
  return p;
}

model_config model() {
  return test::config_of({}); // 3 layers, 8 experts
}

std::string changed(const std::function<void(json&)>& edit) {
  auto parsed = test::parse_json_text(write_presence(example()));
  edit(parsed);
  return test::json_text(parsed);
}

TEST(Presence, WhatIsWrittenIsRead) {
  const auto read = parse_presence(write_presence(example()), "s", model());
  ASSERT_TRUE(succeeds(read));
  EXPECT_EQ(*read, example());
}

TEST(Presence, EveryBadFieldIsNamed) {
  const auto bad = [](const std::function<void(json&)>& edit,
                      std::initializer_list<std::string_view> parts) {
    EXPECT_TRUE(fails(parse_presence(changed(edit), "slice", model()), errc::corrupt, parts));
  };
  EXPECT_TRUE(fails(parse_presence(changed([](json& j) { j["version"] = 9; }), "slice", model()),
                    errc::unsupported, {"slice", "version", "9", "1"}));
  bad([](json& j) { j.erase("holds"); }, {"slice", "holds", "missing"});
  bad([](json& j) { j["parts"] = "norms,nonsense"; }, {"slice", "parts", "nonsense"});
  bad([](json& j) { j["holds"][1]["layers"] = {0, 3}; }, {"holds[1]", "layers", "[0,3]", "0 to 2"});
  bad([](json& j) { j["holds"][0]["experts"] = {5, 2}; }, {"holds[0]", "experts", "[5,2]"});
  bad([](json& j) { j["holds"][0]["experts"] = {1, 2, 3}; }, {"holds[0]", "[1,2,3]"});
  bad([](json& j) { j["holds"][0]["experts"] = {-1, 2}; }, {"holds[0]", "[-1,2]"});
}

TEST(Presence, AVindexWithoutTheFileHoldsEverything) {
  const auto v = test::tiny_vindex{};
  const auto here = read_presence(v.path(), v.config());
  ASSERT_TRUE(succeeds(here));
  EXPECT_FALSE(here->sliced);
  EXPECT_TRUE(here->has_all(everything(v.config())));
  EXPECT_EQ(here->summary(), "experts 0-7 of layers 0-2");
}

TEST(Presence, BlocksAddUp) {
  const auto p = example();
  EXPECT_TRUE(p.has(1, 5));
  EXPECT_FALSE(p.has(1, 6));
  EXPECT_TRUE(p.has(2, 7));
  EXPECT_TRUE(p.has_all({0, 2, 2, 5})); // of two blocks together
  EXPECT_FALSE(p.has_all({0, 2, 1, 5}));
  EXPECT_TRUE(p.has_layer(2));
  EXPECT_EQ(p.summary(), "experts 2-5 of layers 0-1; experts 0-7 of layer 2");
}

TEST(Presence, OwningHolesIsRefusedWithTheWayToGetThem) {
  const auto v = test::tiny_vindex{};
  test::write_file(v / slice_file, write_presence(example()));
  EXPECT_TRUE(succeeds(experts::expert_bank::open(v.path(), v.config(), {{0, 2}, {2, 5}})));
  EXPECT_TRUE(fails(experts::expert_bank::open(v.path(), v.config(), {{0, 2}, {4, 7}}),
                    errc::mismatch,
                    {v.path().string(), "experts 4-7 of layers 0-2", "experts 2-5 of layers 0-1",
                     "big.vindex", "larql slice", "--experts 4-7", "--layers 0-2"}));
}

TEST(Presence, ASliceWithoutAHeadIsNotTakenForATiedModel) {
  auto o = test::tiny_options{};
  o.tied = false;
  const auto v = test::tiny_vindex{o};
  ASSERT_TRUE(succeeds(dense_weights::open(v.path(), v.config())));
  auto p = example();
  p.left_out = {part::lm_head};
  test::write_file(v / slice_file, write_presence(p));
  EXPECT_TRUE(fails(dense_weights::open(v.path(), v.config()), errc::mismatch,
                    {v.path().string(), "lm_head", "moe-client"}));
}

TEST(SliceParts, EveryFileThatExtractWritesBelongsToAPart) {
  for (const auto quant : {quant_kind::lossless, quant_kind::q4k}) {
    auto o = test::all_in(quant::encoding::q8_0);
    o.tied = false;
    const auto v = test::tiny_vindex{o, quant};
    for (const auto& [name, content] : test::read_tree(v.path()))
      EXPECT_EQ(part_of(name).has_value(), name != checksums_file) << name;
  }
}

TEST(SliceParts, PresetsAreFoundByNameAndAlias) {
  for (const auto& [name, parts] :
       {std::pair{"client", "embed,norms,attn,tokenizer,manifest,labels"},
        std::pair{"attention", "norms,attn,manifest,labels"},
        std::pair{"embed-server", "embed,tokenizer,labels"},
        std::pair{"ffn-service", "embed,norms,gate,down_meta,ffn,tokenizer,manifest,labels"},
        std::pair{"browse", "embed,gate,down_meta,tokenizer,labels,readme"},
        std::pair{"router", "router,tokenizer,manifest,labels,readme"},
        std::pair{"expert_server", "embed,norms,ffn,expert_layers,tokenizer,manifest"},
        std::pair{"moe-server", "embed,norms,ffn,expert_layers,tokenizer,manifest"},
        std::pair{"moe-client", "embed,norms,attn,ffn,lm_head,tokenizer,manifest,drafter"}}) {
    const auto p = find_preset(name);
    ASSERT_TRUE(succeeds(p));
    EXPECT_EQ(to_string((*p)->parts), to_string(*parse_parts(parts, "test"))) << name;
  }
  EXPECT_TRUE(fails(find_preset("nonsense"), errc::usage, {"nonsense", "moe-client", "browse"}));
  EXPECT_TRUE(fails(parse_parts("embed,", "--parts"), errc::usage, {"--parts", "\"\"", "norms"}));
}

} // namespace
} // namespace larql::vindex
