#include "runtime/kernels/avx512/matmul.hpp"

#if defined(__AVX512VNNI__)

namespace larql::kernels::avx512 {

constinit const product_table fifth_bit_products = products_of<product_part::fifth_bit>();

} // namespace larql::kernels::avx512

#endif
