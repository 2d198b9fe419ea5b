#include "runtime/grammar/char_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

namespace larql::grammar {

namespace {

constexpr std::uint32_t first_surrogate = 0xd800, last_surrogate = 0xdfff;

// Control characters and their short escapes in JSON.
constexpr auto escapes = std::array<std::pair<char, char>, 5>{
    {{'\b', 'b'}, {'\t', 't'}, {'\n', 'n'}, {'\f', 'f'}, {'\r', 'r'}}};

const char_set& escaped_in_json() {
  static const auto set = char_set{{0, 0x1f}, {'"', '"'}, {'\\', '\\'}};
  return set;
}

std::size_t encode(std::uint32_t c, std::array<std::uint8_t, 4>& out) {
  const auto byte = [](std::uint32_t b) { return static_cast<std::uint8_t>(b); };
  const auto tail = [&](std::uint32_t shift) { return byte(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) {
    out = {byte(c)};
    return 1;
  }
  if (c < 0x800) {
    out = {byte(0xc0 | c >> 6), tail(0)};
    return 2;
  }
  if (c < 0x10000) {
    out = {byte(0xe0 | c >> 12), tail(6), tail(0)};
    return 3;
  }
  out = {byte(0xf0 | c >> 18), tail(12), tail(6), tail(0)};
  return 4;
}

// A range whose scalars have encodings of one length that differ by independent ranges of bytes.
void add_block(network_builder& net, node_id node, std::uint32_t first, std::uint32_t last,
               node_id next) {
  auto low = std::array<std::uint8_t, 4>{}, high = low;
  const auto n = encode(first, low);
  encode(last, high);
  for (auto i = n; i-- > 1;) {
    const auto step = net.step();
    net.edge(step, low[i], high[i], next);
    next = step;
  }
  net.edge(node, low[0], high[0], next);
}

// Cuts a range of one encoded length into blocks.
void add_range(network_builder& net, node_id node, std::uint32_t first, std::uint32_t last,
               node_id next) {
  for (const auto shift : {6u, 12u, 18u}) {
    const auto tail = (1u << shift) - 1; // what the last bytes hold
    if ((first | tail) >= (last | tail))
      continue; // the bytes before them are the same
    if ((first & tail) != 0) {
      add_range(net, node, first, first | tail, next);
      add_range(net, node, (first | tail) + 1, last, next);
      return;
    }
    if ((last & tail) != tail) {
      add_range(net, node, first, (last & ~tail) - 1, next);
      add_range(net, node, last & ~tail, last, next);
      return;
    }
  }
  add_block(net, node, first, last, next);
}

const char_set& digits_of_hex() {
  static const auto set = char_set{{'0', '9'}, {'a', 'f'}, {'A', 'F'}};
  return set;
}

// Four digits of an escape \u, of which the first two may be narrowed.
node_id hex_digits(network_builder& net, const char_set& first, const char_set& second,
                   node_id next) {
  const auto digit = [&](const char_set& set, node_id to) {
    const auto node = net.step();
    add_utf8(net, node, set, to);
    return node;
  };
  return digit(first, digit(second, digit(digits_of_hex(), digit(digits_of_hex(), next))));
}

} // namespace

// ---- sets ---------------------------------------------------------------------------------------

void char_set::tidy() {
  std::sort(ranges_.begin(), ranges_.end(),
            [](const range& a, const range& b) { return a.first < b.first; });
  auto out = std::vector<range>{};
  const auto put = [&](range r) {
    if (r.first > r.last)
      return;
    if (!out.empty() && r.first <= out.back().last + 1)
      out.back().last = std::max(out.back().last, r.last);
    else
      out.push_back(r);
  };
  for (const auto& r : ranges_) {
    const auto last = std::min(r.last, last_scalar);
    if (r.first <= last_surrogate && last >= first_surrogate) {
      if (r.first < first_surrogate)
        put({r.first, first_surrogate - 1});
      if (last > last_surrogate)
        put({last_surrogate + 1, last});
    } else {
      put({r.first, last});
    }
  }
  ranges_ = std::move(out);
}

void char_set::add(std::uint32_t first, std::uint32_t last) {
  ranges_.push_back({first, last});
  tidy();
}

void char_set::add(const char_set& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  tidy();
}

char_set char_set::complement() const {
  auto out = char_set{};
  auto next = std::uint32_t{0};
  for (const auto& r : ranges_) {
    if (r.first > next)
      out.ranges_.push_back({next, r.first - 1});
    next = r.last + 1;
  }
  if (next <= last_scalar)
    out.ranges_.push_back({next, last_scalar});
  out.tidy();
  return out;
}

char_set char_set::without(const char_set& other) const {
  // What is in neither the complement of this nor in the other.
  auto out = complement();
  out.add(other);
  return out.complement();
}

bool char_set::contains(std::uint32_t scalar) const noexcept {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const range& r) { return r.first <= scalar && scalar <= r.last; });
}

// ---- automata -----------------------------------------------------------------------------------

void add_utf8(network_builder& net, node_id node, const char_set& set, node_id next) {
  // The last scalar of each encoded length.
  constexpr std::uint32_t ends[] = {0x7f, 0x7ff, 0xffff, char_set::last_scalar};
  for (const auto& r : set.ranges()) {
    auto first = r.first;
    for (const auto end : ends)
      if (first <= end && first <= r.last) {
        const auto last = std::min(end, r.last);
        add_range(net, node, first, last, next);
        first = last + 1;
      }
  }
}

void add_characters(network_builder& net, node_id node, const char_set& set, value_style style,
                    node_id next) {
  if (style == value_style::call)
    return add_utf8(net, node, set, next);
  add_utf8(net, node, set.without(escaped_in_json()), next);
  auto sequences = std::vector<std::vector<symbol>>{};
  for (const auto& r : escaped_in_json().ranges())
    for (auto c = r.first; c <= r.last; ++c)
      if (set.contains(c))
        sequences.push_back(symbols_in_string(std::string{static_cast<char>(c)}, style));
  if (!sequences.empty())
    net.free(node, net.any_sequence(std::move(sequences), next));
}

void add_any_character(network_builder& net, node_id node, value_style style, node_id next) {
  if (style == value_style::call)
    return add_utf8(net, node, char_set{{0, char_set::last_scalar}}, next);
  add_utf8(net, node, escaped_in_json().complement(), next);
  const auto escape = net.step();
  net.edge(node, '\\', '\\', escape);
  for (const auto c : std::string_view{"\"\\/bfnrt"})
    net.edge(escape, static_cast<unsigned char>(c), static_cast<unsigned char>(c), next);
  const auto unit = net.step();
  net.edge(escape, 'u', 'u', unit);
  const auto& hex = digits_of_hex();
  const auto d = char_set{{'d', 'd'}, {'D', 'D'}};
  net.free(unit, hex_digits(net, hex.without(d), hex, next));
  net.free(unit, hex_digits(net, d, char_set{{'0', '7'}}, next));
  // A high surrogate is followed by a low one.
  const auto low = net.bytes("\\u", hex_digits(net, d, char_set{{'c', 'f'}, {'C', 'F'}}, next));
  net.free(unit, hex_digits(net, d, char_set{{'8', '9'}, {'a', 'b'}, {'A', 'B'}}, low));
}

std::vector<symbol> symbols_in_string(std::string_view text, value_style style) {
  auto out = std::vector<symbol>{};
  const auto put = [&](std::string_view bytes) {
    for (const auto c : bytes)
      out.push_back(static_cast<unsigned char>(c));
  };
  for (const auto c : text) {
    const auto control = static_cast<unsigned char>(c) < 0x20;
    if (style == value_style::call || (!control && c != '"' && c != '\\')) {
      put({&c, 1});
      continue;
    }
    const auto* const e = std::find_if(escapes.begin(), escapes.end(),
                                       [&](const auto& pair) { return pair.first == c; });
    if (!control)
      put(std::string{'\\', c});
    else if (e != escapes.end())
      put(std::string{'\\', e->second});
    else
      put(fmt::format("\\u{:04x}", static_cast<unsigned>(c)));
  }
  return out;
}

} // namespace larql::grammar
