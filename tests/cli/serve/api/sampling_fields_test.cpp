// Mirrors cli/serve/api/sampling_fields.hpp.

#include "cli/serve/api/sampling_fields.hpp"

#include "tests/cli/serve/json_check.hpp"

#include <cmath>

namespace larql::serve {
namespace {

using test::json_of;

struct sampled {
  sampling_request out;
  first_error error;
};

sampled sampling_of(std::string_view text) {
  auto result = sampled{};
  const auto body = json_of(text);
  auto fields = field_reader{body, "", result.error};
  read_sampling(fields, result.out);
  return result;
}

TEST(SamplingFields, AllNamesAreRead) {
  const auto [s, error] = sampling_of(
      R"({"temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"repetition_penalty":1.1,
          "presence_penalty":-1,"frequency_penalty":2,"seed":42})");
  ASSERT_FALSE(error);
  EXPECT_EQ(s.temperature, 0.5f);
  EXPECT_EQ(s.top_p, 0.9f);
  EXPECT_EQ(s.top_k, 40u);
  EXPECT_EQ(s.min_p, 0.05f);
  EXPECT_EQ(s.repetition_penalty, 1.1f);
  EXPECT_EQ(s.presence_penalty, -1.0f);
  EXPECT_EQ(s.frequency_penalty, 2.0f);
  EXPECT_EQ(s.seed, 42u);
}

TEST(SamplingFields, AbsentFieldsLeaveTheModelsDefaults) {
  const auto [s, error] = sampling_of(R"({"temperature":null})");
  EXPECT_FALSE(error);
  EXPECT_FALSE(s.temperature);
  EXPECT_FALSE(s.top_k);
  EXPECT_FALSE(s.seed);
}

TEST(SamplingFields, MinusOneMeansAllTokensAndARandomSeed) {
  const auto [s, error] = sampling_of(R"({"top_k":-1,"seed":-1})");
  EXPECT_FALSE(error);
  EXPECT_EQ(s.top_k, 0u);
  EXPECT_FALSE(s.seed);
  EXPECT_EQ(sampling_of(R"({"seed":18446744073709551615})").out.seed, ~std::uint64_t{0});
}

TEST(SamplingFields, BiasesComeAsObjectOrPairs) {
  const auto object = sampling_of(R"({"logit_bias":{"5":1.5,"7":-100}})");
  ASSERT_FALSE(object.error);
  EXPECT_EQ(object.out.bias,
            (std::vector<std::pair<std::uint32_t, float>>{{5, 1.5f}, {7, -100.f}}));
  const auto pairs = sampling_of(R"({"logit_bias":[[5,1.5],[7,false]]})");
  ASSERT_FALSE(pairs.error);
  ASSERT_EQ(pairs.out.bias.size(), 2u);
  EXPECT_TRUE(std::isinf(pairs.out.bias[1].second));
}

TEST(SamplingFields, WrongValuesNameTheirField) {
  for (const auto& [text, param] :
       {std::pair{R"({"temperature":-1})", "temperature"}, std::pair{R"({"top_p":1.5})", "top_p"},
        std::pair{R"({"top_k":"many"})", "top_k"}, std::pair{R"({"seed":1.5})", "seed"},
        std::pair{R"({"logit_bias":{"x":1}})", "logit_bias"},
        std::pair{R"({"logit_bias":{"1":101}})", "logit_bias"},
        std::pair{R"({"logit_bias":[1]})", "logit_bias"},
        std::pair{R"({"presence_penalty":3})", "presence_penalty"},
        std::pair{R"({"mirostat":1})", "mirostat"},
        std::pair{R"({"grammar":"root ::= x"})", "grammar"}}) {
    const auto [s, error] = sampling_of(text);
    ASSERT_TRUE(error) << text;
    EXPECT_EQ(error->param, param) << text;
  }
}

TEST(SamplingFields, SamplersThatAreSwitchedOffAreHarmless) {
  EXPECT_FALSE(sampling_of(R"({"mirostat":0,"typical_p":1.0,"tfs_z":1,"xtc_probability":0.0,
                               "dry_multiplier":0,"grammar":""})")
                   .error);
}

std::vector<std::string> stops_of(std::string_view text, first_error& error) {
  auto out = std::vector<std::string>{};
  const auto body = json_of(text);
  auto fields = field_reader{body, "", error};
  read_stops(fields, "stop", out);
  return out;
}

TEST(SamplingFields, StopsAreATextOrAList) {
  auto error = first_error{};
  EXPECT_EQ(stops_of(R"({"stop":"END"})", error), (std::vector<std::string>{"END"}));
  EXPECT_EQ(stops_of(R"({"stop":["a","","b"]})", error), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(stops_of("{}", error).empty());
  EXPECT_FALSE(error);
  EXPECT_TRUE(stops_of(R"({"stop":[1]})", error).empty());
  EXPECT_TRUE(error);
}

std::optional<std::uint32_t> most_of(std::string_view text, first_error& error) {
  auto out = std::optional<std::uint32_t>{};
  const auto body = json_of(text);
  auto fields = field_reader{body, "", error};
  read_max_tokens(fields, {"max_completion_tokens", "max_tokens"}, out);
  return out;
}

TEST(SamplingFields, TheMaximumHasSeveralNamesAndMayBeNone) {
  auto error = first_error{};
  EXPECT_EQ(most_of(R"({"max_tokens":5})", error), 5u);
  EXPECT_EQ(most_of(R"({"max_tokens":5,"max_completion_tokens":6})", error), 6u);
  EXPECT_EQ(most_of(R"({"max_tokens":0})", error), 1u);
  EXPECT_EQ(most_of(R"({"max_tokens":-1})", error), std::nullopt);
  EXPECT_EQ(most_of("{}", error), std::nullopt);
  EXPECT_FALSE(error);
  EXPECT_EQ(most_of(R"({"max_tokens":"5"})", error), std::nullopt);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->param, "max_tokens");
}

} // namespace
} // namespace larql::serve
