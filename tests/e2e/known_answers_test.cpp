// Known answers from outside: `larql extract` writes them, `larql verify --probe` and a node that
// warms up compare them.

#include "tests/e2e/programs.hpp"
#include "tests/support/rotated_experts.hpp"

#include "runtime/base/file_hash.hpp"
#include "runtime/vindex/checksums.hpp"
#include "tests/support/json_text.hpp"

#include <nlohmann/json.hpp>

namespace larql::test {
namespace {

class KnownAnswersOf : public model_test {
protected:
  [[nodiscard]] vindex::model_config config() const { return *vindex::read_index(vindex()); }
  [[nodiscard]] finished verify(const words& options) const {
    auto command = larql({"verify", vindex().string()});
    command.insert(command.end(), options.begin(), options.end());
    return run(command);
  }
  static void expect_in(const std::string& text, const words& parts) {
    for (const auto& part : parts)
      EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
  }
};

TEST_F(KnownAnswersOf, AnExtractedModelAreInChecksumsAndRight) {
  const auto sums = **vindex::read_checksums(vindex());
  for (const auto& [number, layer] : sums.layers)
    ASSERT_TRUE(layer.answers) << number;
  const auto all = verify({"--probe=all"});
  EXPECT_EQ(all.code, 0) << all.out << all.err;
  const auto experts = sums.layers.size() * sums.layers.begin()->second.experts.size();
  expect_in(all.out, {fmt::format("known answers of {} experts", experts)});
  EXPECT_EQ(verify({"--probe"}).code, 0);
  const auto parsed = parse_json_text(verify({"--probe=all", "--json"}).out);
  EXPECT_EQ(parsed["ok"], true);
  EXPECT_EQ(parsed["known_answers"]["compared"], experts);
  EXPECT_EQ(verify({"--probe=3"}).code, 0);
  const auto bad = verify({"--probe=some"});
  EXPECT_EQ(bad.code, 2);
  expect_in(bad.err, {"--probe", "some", "all"});
}

TEST_F(KnownAnswersOf, AFlippedBitAreFoundByAProbeAndByANode) {
  flip_bit(vindex(), config(), 2, 3);
  EXPECT_EQ(verify({}).code, 0); // sizes and structure are right
  const auto probed = verify({"--probe=all"});
  EXPECT_EQ(probed.code, 1);
  expect_in(probed.out, {"wrong: ", "layer 2, expert 3: its known answer is"});
  const auto parsed = parse_json_text(verify({"--probe=all", "--json"}).out);
  EXPECT_EQ(parsed["ok"], false);
  EXPECT_EQ(parsed["wrong"].size(), 1u);
  const auto node = run(larql_node({vindex().string(), "--port", "0", "--warmup"}));
  EXPECT_EQ(node.code, 1);
  expect_in(node.err, {"layer 2, expert 3: its known answer is", "not those of the model"});
  EXPECT_EQ(node.out, "");
}

TEST_F(KnownAnswersOf, ANodeThatOwnsOtherExpertsSayNothing) {
  flip_bit(vindex(), config(), 2, 3);
  const auto node = start_node({"--experts", "4-7", "--warmup"});
  EXPECT_NE(node->child().err().find("known answers: "), std::string::npos) << node->child().err();
}

TEST_F(KnownAnswersOf, RotatedExpertsAreRefused) {
  rotate_experts(vindex(), config(), 1);
  // As whoever made the vindex wrong would have hashed it.
  const auto path = vindex() / vindex::layer_file_name(1);
  auto sums = **vindex::read_checksums(vindex());
  const auto h = *vindex::read_layer_header(*file::open(path), config());
  const auto head = read_file(path).substr(0, h.table_bytes);
  sums.layers.at(1).head = hash_bytes(std::as_bytes(std::span{head}));
  write_file(vindex() / "checksums.json", vindex::write_checksums(sums));
  const auto node = run(larql_node({vindex().string(), "--port", "0", "--warmup"}));
  EXPECT_EQ(node.code, 1);
  expect_in(node.err, {"layer 1, expert 0: its known answer is", "more"});
}

} // namespace
} // namespace larql::test
