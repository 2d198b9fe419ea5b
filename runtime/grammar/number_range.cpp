#include "runtime/grammar/number_range.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <tuple>

namespace larql::grammar {

namespace {

constexpr std::size_t max_integer_digits = 18;
constexpr std::size_t max_fraction_digits = 17;

/// A number that is not negative.
struct decimal {
  std::string integer = "0";
  std::string fraction{};
  bool inclusive = true;

  [[nodiscard]] int digit_behind(std::size_t i) const {
    return i < fraction.size() ? fraction[i] - '0' : 0;
  }
  [[nodiscard]] bool is_whole_from(std::size_t i) const {
    return fraction.find_first_not_of('0', i) == std::string::npos;
  }
};

// Its magnitude.
result<decimal> decimal_of(double value, bool inclusive) {
  char text[400];
  const auto end =
      std::to_chars(text, text + sizeof text, std::fabs(value), std::chars_format::fixed).ptr;
  auto out = decimal{{text, end}, {}, inclusive};
  if (const auto point = out.integer.find('.'); point != std::string::npos) {
    out.fraction = out.integer.substr(point + 1);
    out.integer.resize(point);
  }
  if (out.integer.size() > max_integer_digits || out.fraction.size() > max_fraction_digits)
    return fail(errc::unsupported, "a bound of {} has more digits than are supported", value);
  return out;
}

/// Numbers that are not negative, between two bounds.
class range_writer {
public:
  range_writer(network_builder& net, const decimal& low, const decimal& high, bool integer,
               node_id next)
      : net_(net), low_(low), high_(high), integer_(integer), next_(next) {}

  node_id write() {
    const auto start = net_.step();
    for (auto n = low_.integer.size(); n <= high_.integer.size(); ++n) {
      length_ = n;
      made_.clear();
      net_.free(start, before(0, n == low_.integer.size(), n == high_.integer.size()));
    }
    return start;
  }

private:
  // `at_low`, `at_high`: the digits so far are those of the bound.
  node_id before(std::size_t i, bool at_low, bool at_high) {
    const auto key = std::tuple{i, at_low, at_high};
    if (const auto it = made_.find(key); it != made_.end())
      return it->second;
    const auto node = net_.step();
    made_.emplace(key, node);
    if (i == length_) {
      end_or_fraction(node, at_low, at_high);
      return node;
    }
    const auto least = i == 0 && length_ > 1 ? 1 : 0;
    digits(node, least, at_low ? low_.integer[i] - '0' : -1, at_high ? high_.integer[i] - '0' : -1,
           [&](bool l, bool h) { return before(i + 1, l, h); });
    return node;
  }

  // Edges for the digits from `least` on; a digit of a bound that does not count is -1.
  template <class To>
  void digits(node_id node, int least, int low, int high, To&& to) {
    for (auto d = std::max(least, low); d <= (high < 0 ? 9 : high); ++d) {
      // Digits that are at no bound lead to the same place.
      auto last = d;
      if (d != low && d != high)
        while (last + 1 <= 9 && last + 1 != high && (high < 0 || last + 1 < high))
          ++last;
      net_.edge(node, static_cast<symbol>('0' + d), static_cast<symbol>('0' + last),
                to(d == low, d == high));
      d = last;
    }
  }

  void end_or_fraction(node_id node, bool at_low, bool at_high) {
    if (may_end(0, at_low, at_high))
      net_.free(node, next_);
    if (!integer_)
      net_.edge(node, '.', '.', behind(0, at_low, at_high));
  }

  // What ends behind i digits of a fraction has zeros from there on.
  [[nodiscard]] bool may_end(std::size_t i, bool at_low, bool at_high) const {
    if (at_low && (!low_.is_whole_from(i) || !low_.inclusive))
      return false;
    return !at_high || !high_.is_whole_from(i) || high_.inclusive;
  }

  node_id behind(std::size_t i, bool at_low, bool at_high) {
    const auto key = std::tuple{i, at_low, at_high};
    if (const auto it = fractions_.find(key); it != fractions_.end())
      return it->second;
    const auto node = net_.step();
    fractions_.emplace(key, node);
    if (i > 0 && may_end(i, at_low, at_high))
      net_.free(node, next_);
    if (i < max_fraction_digits)
      digits(node, 0, at_low ? low_.digit_behind(i) : -1, at_high ? high_.digit_behind(i) : -1,
             [&](bool l, bool h) { return behind(i + 1, l, h); });
    return node;
  }

  network_builder& net_;
  const decimal& low_;
  const decimal& high_;
  bool integer_;
  node_id next_;
  std::size_t length_ = 0;
  std::map<std::tuple<std::size_t, bool, bool>, node_id> made_, fractions_;
};

// min to max digits.
node_id digit_run(network_builder& net, std::uint32_t min, std::uint32_t max, node_id next) {
  auto start = next;
  for (auto k = max; k-- > 0;) { // k digits have come
    const auto node = net.step();
    net.edge(node, '0', '9', start);
    if (k >= min)
      net.free(node, next);
    start = node;
  }
  return start;
}

// Any number, with an exponent.
node_id add_any_number(network_builder& net, bool integer, node_id next) {
  auto behind = next;
  if (!integer) {
    const auto exponent_digits = digit_run(net, 1, 2, next);
    const auto sign = net.step();
    net.edge(sign, '+', '+', exponent_digits);
    net.edge(sign, '-', '-', exponent_digits);
    net.free(sign, exponent_digits);
    const auto exponent = net.step();
    net.edge(exponent, 'e', 'e', sign);
    net.edge(exponent, 'E', 'E', sign);
    net.free(exponent, next);
    const auto fraction = net.bytes(".", digit_run(net, 1, max_fraction_digits, exponent));
    behind = net.optional(fraction, exponent);
  }
  const auto magnitude = net.step();
  net.edge(magnitude, '1', '9', digit_run(net, 0, max_integer_digits - 1, behind));
  const auto start = net.step();
  net.edge(start, '-', '-', magnitude);
  net.free(start, magnitude);
  net.edge(start, '0', '0', behind);
  if (!integer)
    net.edge(magnitude, '0', '0', behind); // -0.5
  return start;
}

} // namespace

result<node_id> add_number(network_builder& net, const number_range& range, node_id next) {
  if (!range.low && !range.high)
    return add_any_number(net, range.integer, next);
  const auto largest = std::string(max_integer_digits, '9');
  auto low = range.low, high = range.high;
  if (range.integer) { // whole numbers between them, which belong to the range
    if (low)
      low = number_bound{low->inclusive ? std::ceil(low->value) : std::floor(low->value) + 1, true};
    if (high)
      high = number_bound{high->inclusive ? std::floor(high->value) : std::ceil(high->value) - 1,
                          true};
  }
  const auto start = net.step();
  if (low && high && (low->value > high->value))
    return start;
  if (!high || high->value >= 0) {
    auto from = decimal{}, to = decimal{largest, {}, true};
    if (low && low->value >= 0) {
      LARQL_TRY(from, decimal_of(low->value, low->inclusive));
    }
    if (high) {
      LARQL_TRY(to, decimal_of(high->value, high->inclusive));
    }
    net.free(start, range_writer{net, from, to, range.integer, next}.write());
  }
  if (!low || low->value < 0) {
    // Of negative numbers, magnitudes between the bounds turned round.
    auto from = range.integer ? decimal{"1", {}, true}
                              : decimal{"0", {}, !high || high->value != 0 || high->inclusive};
    auto to = decimal{largest, {}, true};
    if (high && high->value < 0) {
      LARQL_TRY(from, decimal_of(high->value, high->inclusive));
    }
    if (low) {
      LARQL_TRY(to, decimal_of(low->value, low->inclusive));
    }
    net.edge(start, '-', '-', range_writer{net, from, to, range.integer, next}.write());
  }
  return start;
}

} // namespace larql::grammar
