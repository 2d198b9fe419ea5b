// Mirrors actors/net/model_match.hpp: what two peers must have in common, and who says so.

#include "actors/net/model_match.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

schema::model_identity known() {
  auto out = schema::model_identity{"tiny", {}, 3, 256, 8, 96, {}};
  out.weights_digest.emplace().fill(std::byte{0xab});
  return out;
}

TEST(ModelMatch, EqualModelsDoNotDiffer) {
  EXPECT_EQ(model_difference(known(), "here", known(), "there"), "");
  auto renamed = known();
  renamed.name = "a label that people change";
  EXPECT_EQ(model_difference(known(), "here", renamed, "there"), "");
}

TEST(ModelMatch, SaysWhetherShapesModelOrWeightsDiffer) {
  auto other = known();
  other.weights_digest->front() = std::byte{0xcd};
  EXPECT_EQ(model_difference(known(), "here", other, "there"),
            "other weights of the experts: weights digest abababababababab… here (\"tiny\"), "
            "cdababababababab… there (\"tiny\")");
  other.weights[0] = std::byte{1};
  EXPECT_NE(model_difference(known(), "here", other, "there").find("other fingerprints"),
            std::string::npos);
  other.activation = quant::activation_function::silu;
  EXPECT_EQ(model_difference(known(), "here", other, "there"),
            "activation function gelu_pytorch_tanh here (\"tiny\"), silu there (\"tiny\")");
  other.layers = 4;
  EXPECT_EQ(model_difference(known(), "here", other, "there"),
            "layers 3 here (\"tiny\"), 4 there (\"tiny\")");
}

TEST(ModelMatch, ADigestThatOneSideDoesNotKnowIsNotCompared) {
  auto unknown = known();
  unknown.weights_digest.reset();
  EXPECT_EQ(model_difference(known(), "here", unknown, "there"), "");
  EXPECT_EQ(model_difference(unknown, "here", known(), "there"), "");
}

} // namespace
} // namespace larql::actors
