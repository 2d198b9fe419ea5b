// Mirrors schema/answer_pieces.hpp.

#include "schema/answer_pieces.hpp"

#include "schema/codec.hpp"
#include "schema/sums.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/message_text.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

namespace larql::schema {
namespace {

constexpr auto hidden = std::size_t{100};

/// An answer whose rows need four to eight bytes a sum by turns.
class answer {
public:
  explicit answer(std::uint32_t rows) {
    auto random = test::random_source{rows};
    auto sums = std::vector<std::int64_t>(rows * hidden);
    for (auto i = std::size_t{0}; i < sums.size(); ++i)
      sums[i] = static_cast<std::int64_t>(random.bits()) >> (32 - 8 * (i / hidden % 5));
    pack_sums(sums, hidden, quant::sum_format::exact, widths_, bytes_);
    whole.id = 7;
    whole.incarnation = 8;
    whole.rows = rows;
    whole.widths = widths_;
    whole.sums = bytes_;
    whole.compute_ns = 9;
    whole.queue_ns = 10;
  }
  answer(const answer&) = delete;

  expert_result whole;

private:
  std::vector<std::byte> widths_, bytes_;
};

/// Frames of one answer.
struct received {
  explicit received(std::span<const char> frames) {
    while (!frames.empty()) {
      const auto bytes = frame_bytes(frames);
      sizes.push_back(bytes);
      bodies.emplace_back(frames.begin() + frame_header_bytes,
                          frames.begin() + static_cast<std::ptrdiff_t>(bytes));
      frames = frames.subspan(bytes);
    }
    for (const auto& b : bodies) {
      auto m = decode(b);
      EXPECT_TRUE(test::succeeds(m));
      pieces.push_back(std::get<expert_result>(*m));
    }
  }
  std::vector<std::size_t> sizes;
  std::vector<std::vector<char>> bodies; // that the pieces point into
  std::vector<expert_result> pieces;
};

received pieces_of(const answer& a, std::uint32_t piece_bytes) {
  auto frames = std::vector<char>{};
  encode_in_pieces(a.whole, hidden, piece_bytes, frames);
  return received{frames};
}

TEST(AnswerPieces, AreTheRowsOfTheAnswerInOrder) {
  for (const auto rows : {2u, 3u, 40u, 333u})
    for (const auto piece_bytes : {1u, 300u, 1'000u, 4'096u, 65'536u}) {
      SCOPED_TRACE(fmt::format("{} rows, {} bytes", rows, piece_bytes));
      const auto a = answer{rows};
      const auto got = pieces_of(a, piece_bytes);
      auto widths = std::vector<std::byte>{}, sums = std::vector<std::byte>{};
      for (auto i = std::size_t{0}; i < got.pieces.size(); ++i) {
        const auto& p = got.pieces[i];
        EXPECT_EQ(p.id, 7u);
        EXPECT_EQ(p.incarnation, 8u);
        EXPECT_EQ(p.compute_ns, 9u);
        EXPECT_EQ(p.queue_ns, 10u);
        EXPECT_EQ(p.first_row, widths.size());
        EXPECT_EQ(p.call_rows, got.pieces.size() == 1 ? 0 : rows);
        EXPECT_TRUE(test::succeeds(check_sums(p.widths, p.sums, p.rows, hidden)));
        if (p.rows > 1) {
          EXPECT_LE(got.sizes[i], piece_bytes);
        }
        widths.insert(widths.end(), p.widths.begin(), p.widths.end());
        sums.insert(sums.end(), p.sums.begin(), p.sums.end());
      }
      EXPECT_EQ(test::hex(widths), test::hex(a.whole.widths));
      EXPECT_EQ(test::hex(sums), test::hex(a.whole.sums));
    }
}

TEST(AnswerPieces, AnAnswerThatFitsOneIsWhole) {
  const auto a = answer{40};
  for (const auto piece_bytes : {0u, 65'536u}) {
    const auto got = pieces_of(a, piece_bytes);
    ASSERT_EQ(got.pieces.size(), 1u);
    EXPECT_EQ(test::text_of(got.pieces[0]), test::text_of(a.whole));
  }
}

TEST(AnswerPieces, OneRowIsNotDivided) {
  EXPECT_EQ(pieces_of(answer{1}, 1).pieces.size(), 1u);
  EXPECT_EQ(pieces_of(answer{5}, 1).pieces.size(), 5u);
}

TEST(AnswerPieces, RowsMayBeCompleteAndEachPieceNamesTheMakers) {
  auto widths = std::vector<std::byte>{}, bytes = std::vector<std::byte>{};
  for (auto r = 0; r < 7; ++r) {
    pack_sums(std::vector<std::int64_t>(hidden, r), hidden, quant::sum_format::exact, widths,
              bytes);
    put_complete_row(std::vector<float>(hidden, static_cast<float>(r)), widths, bytes);
  }
  const auto makers = std::vector<std::byte>(16, std::byte{3});
  auto whole = expert_result{};
  whole.rows = 14;
  whole.widths = widths;
  whole.sums = bytes;
  whole.makers = makers;
  auto frames = std::vector<char>{};
  encode_in_pieces(whole, hidden, 1'500, frames);
  const auto got = received{frames};
  ASSERT_GT(got.pieces.size(), 2u);
  auto sums = std::vector<std::byte>{};
  for (auto i = std::size_t{0}; i < got.pieces.size(); ++i) {
    const auto& p = got.pieces[i];
    const auto may_be_complete = std::vector<std::byte>(p.rows, std::byte{1});
    EXPECT_TRUE(test::succeeds(check_sums(p.widths, p.sums, p.rows, hidden, {may_be_complete})));
    EXPECT_EQ(test::hex(p.makers), test::hex(makers));
    EXPECT_LE(got.sizes[i], 1'500u);
    sums.insert(sums.end(), p.sums.begin(), p.sums.end());
  }
  EXPECT_EQ(test::hex(sums), test::hex(bytes));
}

TEST(FrameBytes, AreThoseOfTheFirstFrameOrAllIfThereIsNone) {
  auto frames = std::vector<char>{};
  encode(ping{1}, frames);
  const auto first = frames.size();
  encode(pong{2, 3}, frames);
  EXPECT_EQ(frame_bytes(frames), first);
  EXPECT_EQ(frame_bytes(std::span{frames}.subspan(first)), frames.size() - first);
  EXPECT_EQ(frame_bytes(std::span{frames}.first(first - 1)), first - 1);
  EXPECT_EQ(frame_bytes({}), 0u);
  EXPECT_EQ(frame_bytes(std::vector<char>(100)), 100u);
}

} // namespace
} // namespace larql::schema
