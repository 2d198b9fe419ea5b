// Mirrors schema/codec.hpp: what is encoded comes back, and what breaks the protocol's rules is
// refused with the field named.

#include "schema/codec.hpp"
#include "tests/schema/wire_v1.hpp"
#include "tests/support/message_text.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace larql::schema {
namespace {

using frame = std::vector<char>;

frame encoded(const message& m) {
  auto out = frame{};
  encode(m, out);
  return out;
}

std::vector<char> body_of(const frame& f) {
  return {f.begin() + frame_header_bytes, f.end()};
}

/// The error of decoding `body`, or "accepted: " and the message.
std::string decode_text(const std::vector<char>& body) {
  const auto m = decode(body);
  return m ? "accepted: " + test::text_of(*m) : m.error().text;
}
std::string decode_text(const message& m) {
  return decode_text(body_of(encoded(m)));
}

template <class T>
T sample() {
  for (auto& s : wire_v1::samples())
    if (auto* m = std::get_if<T>(&s.message))
      return std::move(*m);
  ADD_FAILURE() << "no sample";
  return {};
}

TEST(Codec, ReturnsEveryFieldOfEveryMessage) {
  for (const auto& s : wire_v1::samples()) {
    const auto body = body_of(encoded(s.message));
    const auto m = decode(body);
    ASSERT_TRUE(m) << s.name << ": " << m.error().text;
    EXPECT_EQ(m->index(), s.message.index());
    EXPECT_EQ(test::text_of(*m), test::text_of(s.message));
  }
}

TEST(Codec, ReturnsMessagesWithoutContent) {
  for (const auto& m :
       {message{hello{0, "", {}}}, message{refused{}}, message{expert_call{}},
        message{expert_result{}}, message{call_failed{}}, message{ping{}}, message{pong{}},
        message{ask_status{}}, message{control{}}, message{node_list{}}})
    EXPECT_EQ(decode_text(m), "accepted: " + test::text_of(m));
}

TEST(Codec, ReturnsLargeData) {
  auto bytes = std::vector<std::byte>(3 << 20);
  for (auto i = std::size_t{0}; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(i * 7 >> 3);
  auto call = sample<expert_call>();
  call.activations = bytes;
  const auto body = body_of(encoded(call));
  const auto m = decode(body);
  ASSERT_TRUE(m) << m.error().text;
  const auto& got = std::get<expert_call>(*m);
  EXPECT_TRUE(
      std::equal(got.activations.begin(), got.activations.end(), bytes.begin(), bytes.end()));
}

TEST(Codec, DecodesInPlace) {
  const auto body = body_of(encoded(sample<expert_result>()));
  const auto m = decode(body);
  ASSERT_TRUE(m);
  const auto sums = std::as_bytes(std::span{std::get<expert_result>(*m).sums});
  const auto all = std::as_bytes(std::span{body});
  EXPECT_GE(sums.data(), all.data());
  EXPECT_LE(sums.data() + sums.size(), all.data() + all.size());
}

TEST(Codec, AppendsFramesOneAfterTheOther) {
  auto both = encoded(ping{1});
  const auto first = both.size();
  encode(ping{2}, both);
  const auto second =
      std::vector<char>(both.begin() + static_cast<std::ptrdiff_t>(first), both.end());
  EXPECT_EQ(decode_text(body_of(second)), "accepted: ping nonce=2 node=0");
}

TEST(Codec, OneDecodeRowStaysWithinTheBudget) {
  // schema/wire.capnp: call and result of one row to one shard under 26 KB at hidden 2816.
  const auto zeros = std::vector<std::byte>(2816 * 8);
  const auto all = std::span{zeros};
  auto call = expert_call{};
  call.activations = all.first(2816);
  call.scales = all.first(11 * 4);
  call.pick_rows = all.first(8 * 4);
  call.pick_experts = all.first(8 * 2);
  call.pick_weights = all.first(8 * 4);
  auto result = expert_result{};
  result.widths = all.first(1);
  result.sums = all.first(2816 * 8);
  EXPECT_LT(encoded(call).size() + encoded(result).size(), 26'000u);
}

// ---- texts and limits ---------------------------------------------------------------------------

TEST(Codec, RefusesTextsAboveTheirLimits) {
  EXPECT_EQ(decode_text(hello{1, std::string(max_name_bytes, 'n'), {}}).substr(0, 8), "accepted");
  EXPECT_EQ(decode_text(hello{1, std::string(max_name_bytes + 1, 'n'), {}}),
            "message: hello.name has 65 bytes, at most 64 allowed");
  EXPECT_EQ(decode_text(refused{std::string(max_text_bytes + 1, 'r')}),
            "message: refused.reason has 1025 bytes, at most 1024 allowed");
  auto welcome = sample<node_description>();
  welcome.node = std::string(65, 'n');
  EXPECT_EQ(decode_text(welcome), "message: welcome.node has 65 bytes, at most 64 allowed");
  welcome = sample<node_description>();
  welcome.model.name = std::string(1025, 'm');
  EXPECT_EQ(decode_text(welcome), "message: welcome.model has 1025 bytes, at most 1024 allowed");
}

TEST(Codec, ShortensTheTextOfAFailure) {
  const auto body =
      body_of(encoded(call_failed{1, 2, failure_code::internal, std::string(5000, 'x')}));
  const auto m = decode(body);
  ASSERT_TRUE(m) << m.error().text;
  EXPECT_EQ(std::get<call_failed>(*m).text, std::string(max_text_bytes, 'x'));
}

TEST(Codec, RefusesADescriptionThatContradictsItself) {
  const auto refusal_of = [](auto change) {
    auto m = sample<node_description>();
    change(m);
    return decode_text(m);
  };
  const auto owns = std::string{"message: welcome owns layers "};
  using d = node_description;
  EXPECT_EQ(refusal_of([](d& m) {
              m.owned.layers = {5, 3};
            }),
            owns + "5-3 and experts 64-127 of 30 × 128");
  EXPECT_EQ(refusal_of([](d& m) {
              m.owned.layers = {3, 30};
            }),
            owns + "3-30 and experts 64-127 of 30 × 128");
  EXPECT_EQ(refusal_of([](d& m) {
              m.owned.experts = {127, 64};
            }),
            owns + "3-5 and experts 127-64 of 30 × 128");
  EXPECT_EQ(refusal_of([](d& m) {
              m.owned.experts = {0, ~0u};
            }),
            owns + "3-5 and experts 0-4294967295 of 30 × 128");
  EXPECT_EQ(refusal_of([](d& m) { m.model.layers = 0; }),
            owns + "3-5 and experts 64-127 of 0 × 128");
  EXPECT_EQ(refusal_of([](d& m) { m.formats.pop_back(); }),
            "message: welcome.formats has 2 entries, expected 3");
  EXPECT_EQ(refusal_of([](d& m) { m.formats.clear(); }),
            "message: welcome.formats has 0 entries, expected 3");
  EXPECT_EQ(refusal_of([](d& m) { m.formats[1] = static_cast<quant::activation_format>(3); }),
            "message: welcome.formats holds 3, which is no format");
  EXPECT_EQ(refusal_of([](d& m) { m.max_rows = 0; }), "message: welcome.maxRows is 0");
}

TEST(Codec, RefusesAFingerprintOfAnotherLength) {
  auto body = body_of(encoded(sample<node_description>()));
  // The list pointer of 32 bytes: kind 1 in the low bits, (count << 3 | byte elements) above.
  auto found = 0;
  for (auto at = std::size_t{8}; at + 8 <= body.size(); at += 8) {
    std::uint32_t low, high;
    std::memcpy(&low, body.data() + at, 4);
    std::memcpy(&high, body.data() + at + 4, 4);
    if ((low & 3) != 1 || high != (32u << 3 | 2))
      continue;
    ++found;
    high = 31u << 3 | 2;
    std::memcpy(body.data() + at + 4, &high, 4);
  }
  ASSERT_EQ(found, 1);
  EXPECT_EQ(decode_text(body), "message: welcome.fingerprint has 31 bytes, expected 32");
}

TEST(Codec, RefusesFormatsAndKindsItDoesNotKnow) {
  auto call = sample<expert_call>();
  call.format = static_cast<quant::activation_format>(3);
  EXPECT_EQ(decode_text(call), "message: call.format is 3, which is no format");
  auto welcome = sample<node_description>();
  welcome.model.activation = static_cast<quant::activation_function>(2);
  EXPECT_EQ(decode_text(welcome),
            "message: welcome.activation is 2, which is no activation function "
            "that this version knows");
  auto body = body_of(encoded(ping{}));
  body[16] = 99; // the union's tag: first field of the root struct's data
  EXPECT_EQ(decode_text(body), "message: kind is 99, which is not known");
}

TEST(Codec, TakesFailureCodesOfLaterVersionsAsInternal) {
  const auto later = call_failed{1, 2, static_cast<failure_code>(77), "?"};
  EXPECT_EQ(decode_text(later), "accepted: failed id=1 incarnation=2 code=0 text=?");
}

TEST(Codec, ReturnsTheLongestListOfNodesAndRefusesALongerOne) {
  auto list = node_list{};
  auto node = sample<node_description>();
  node.model.layers = 100;
  node.owned.layers = {0, 99};
  node.formats.assign(100, quant::activation_format::q8_256);
  for (auto i = std::size_t{0}; i < max_listed_nodes; ++i) {
    node.node = std::string(max_name_bytes, 'n');
    node.incarnation = i;
    list.nodes.push_back({node, fmt::format("10.0.0.{}:9470", i)});
  }
  EXPECT_EQ(decode_text(list), "accepted: " + test::text_of(list));
  EXPECT_LT(encoded(list).size(), max_list_bytes);
  list.nodes.push_back(list.nodes.back());
  EXPECT_EQ(decode_text(list), "message: nodes are 257, at most 256 allowed");
}

// ---- buffers and frames -------------------------------------------------------------------------

TEST(Codec, RefusesBuffersThatAreNoWholeAlignedWords) {
  EXPECT_EQ(decode_text(std::vector<char>{}).substr(0, 8), "message:");
  EXPECT_EQ(decode_text(std::vector<char>(7, 0)), "message: length is 7, not a multiple of 8");
  const auto body = body_of(encoded(ping{5}));
  auto shifted = std::vector<char>(body.size() + 8);
  for (auto by = 1u; by < 8; ++by) {
    std::memcpy(shifted.data() + by, body.data(), body.size());
    const auto m = decode(std::span{shifted}.subspan(by, body.size()));
    ASSERT_FALSE(m) << by;
    EXPECT_EQ(m.error().text, "message: buffer is not aligned to 8 bytes");
  }
}

std::string header_text(std::uint32_t magic, std::uint32_t length, std::uint32_t limit) {
  char header[frame_header_bytes];
  std::memcpy(header, &magic, 4);
  std::memcpy(header + 4, &length, 4);
  const auto n = decode_header(header, limit);
  return n ? std::to_string(*n) : n.error().text;
}

TEST(FrameHeader, GivesTheLengthOfThePayload) {
  EXPECT_EQ(header_text(frame_magic, 1, 100), "1");
  EXPECT_EQ(header_text(frame_magic, 100, 100), "100");
  EXPECT_EQ(header_text(frame_magic, max_frame_bytes, max_frame_bytes),
            std::to_string(max_frame_bytes));
}

TEST(FrameHeader, RefusesOtherMagicAndLengthsOutOfRange) {
  EXPECT_EQ(header_text(frame_magic ^ 1, 8, 100), "frame: magic is 3146514d, expected 3146514c");
  EXPECT_EQ(header_text(0, 8, 100), "frame: magic is 00000000, expected 3146514c");
  EXPECT_EQ(header_text(frame_magic, 0, 100), "frame: length is 0, expected 1 to 100");
  EXPECT_EQ(header_text(frame_magic, 101, 100), "frame: length is 101, expected 1 to 100");
  EXPECT_EQ(header_text(frame_magic, ~0u, max_frame_bytes),
            "frame: length is 4294967295, expected 1 to 67108864");
}

TEST(FrameHeader, SaysWhatSpeaksAtTheOtherEndIfItIsSomethingElse) {
  const auto said = [](std::string_view first) {
    const auto n = decode_header(std::span{first}, 100);
    return n ? std::string{"a frame"} : n.error().text;
  };
  EXPECT_NE(said("HTTP/1.1").find("the answer is HTTP"), std::string::npos);
  EXPECT_NE(said("GET / HT").find("the request is HTTP"), std::string::npos);
  EXPECT_NE(said("<!DOCTYP").find("the answer is a web page"), std::string::npos);
  EXPECT_NE(said("\x15\x03\x01xxxxx").find("speaks TLS"), std::string::npos);
  EXPECT_NE(said("\x16\x03\x01xxxxx").find("speaks TLS"), std::string::npos);
  EXPECT_NE(said("SSH-2.0-").find("magic"), std::string::npos);
}

TEST(FrameHeader, RefusesAnotherSize) {
  const auto f = encoded(ping{});
  for (const auto n : {std::size_t{0}, std::size_t{7}, std::size_t{9}})
    EXPECT_FALSE(decode_header(std::span{f}.first(n), 1000)) << n;
}

TEST(FrameHeader, SpellsLqf1) {
  EXPECT_EQ(std::string(encoded(ping{}).data(), 4), "LQF1");
}

} // namespace
} // namespace larql::schema
