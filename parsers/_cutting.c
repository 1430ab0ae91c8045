/* What cutting.py does in Python, for where a compiler was there at installation. Stable ABI of Python 3.10. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
#include <string.h>

#define MOST_PAIRS 1000
#define LONGEST 100
#define LANES 64

typedef struct {
    const char *at;
    Py_ssize_t size;
} Text;

/* Where `what` begins in what is left of a text, or its end. */
static const char *find(const char *at, const char *end, Text what)
{
    while (end - at >= what.size) {
        at = memchr(at, what.at[0], end - at - what.size + 1);
        if (at == NULL)
            return end;
        if (memcmp(at, what.at, what.size) == 0)
            return at;
        at++;
    }
    return end;
}

/* Where `what` begins last, or NULL. */
static const char *find_last(const char *begin, const char *end, Text what)
{
    for (const char *at = end - what.size; at >= begin; at--)
        if (*at == what.at[0] && memcmp(at, what.at, what.size) == 0)
            return at;
    return NULL;
}

/* The number that NumPy 2 prints as `np.float64(0.5)`; any other text as it is. */
static Text bare(const char *at, const char *end)
{
    Text whole = {at, end - at};
    if (whole.size < 9 || memcmp(at, "np.", 3) != 0 || end[-1] != ')')
        return whole;
    at += 3;
    if (memcmp(at, "float", 5) == 0)
        at += 5;
    else if (memcmp(at, "int", 3) == 0)
        at += 3;
    else
        return whole;
    if (end - at < 4 || at[2] != '(' || (memcmp(at, "16", 2) && memcmp(at, "32", 2) && memcmp(at, "64", 2)))
        return whole;
    at += 3;
    end--;
    if (memchr(at, '(', end - at) != NULL || memchr(at, ')', end - at) != NULL)
        return whole;
    return (Text){at, end - at};
}

static const char *past_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* Whether it is a number as JSON writes one, and so short that a float holds it whatever its digits are. */
static int is_plain(Text text)
{
    const char *at = text.at, *end = text.at + text.size, *begin;
    if (text.size > LONGEST)
        return 0;
    begin = at += at < end && *at == '-';
    at = past_digits(at, end);
    if (at == begin || (*begin == '0' && at > begin + 1))
        return 0;
    if (at < end && *at == '.') {
        begin = ++at;
        at = past_digits(at, end);
        if (at == begin)
            return 0;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        begin = at += at < end && (*at == '-' || *at == '+');
        at = past_digits(at, end);
        if (at == begin || at > begin + 2)
            return 0;
    }
    return at == end;
}

static PyObject *cut(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    Text text, between, assign;
    Text *into[] = {&text, &between, &assign};
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "cut(text, between, assign)");
        return NULL;
    }
    for (int i = 0; i < 3; i++)
        if (PyBytes_AsStringAndSize(given[i], (char **)&into[i]->at, &into[i]->size) < 0)
            return NULL;
    if (!between.size || !assign.size)
        Py_RETURN_NONE;
    /* Every pair gives up at least its assignment, so that neither grows: a newline or a comma stands in its place. */
    char *keys = PyMem_Malloc(2 * (text.size + 2));
    if (keys == NULL)
        return PyErr_NoMemory();
    char *values = keys + text.size + 2, *key = keys, *value = values;
    const char *at = text.at, *end = text.at + text.size;
    PyObject *found = NULL, *names, *printed;
    int plain = 1;
    *value++ = '[';
    for (int pairs = 1;; pairs++) {
        const char *stop = find(at, end, between), *split = find_last(at, stop, assign);
        if (split == NULL || pairs > MOST_PAIRS)
            goto none;
        Text number = bare(split + assign.size, stop);
        if (memchr(number.at, ',', number.size) != NULL)
            goto none;
        plain = plain && is_plain(number);
        memcpy(key, at, split - at);
        key += split - at;
        memcpy(value, number.at, number.size);
        value += number.size;
        if (stop == end)
            break;
        *key++ = '\n';
        *value++ = ',';
        at = stop + between.size;
    }
    *value++ = ']';
    for (const char *byte = values; byte < value; byte++)
        if (*byte & 0x80)
            goto none;
    names = PyBytes_FromStringAndSize(keys, key - keys);
    printed = PyUnicode_FromStringAndSize(values, value - values);
    if (names != NULL && printed != NULL)
        found = PyTuple_Pack(3, names, printed, plain ? Py_True : Py_False);
    Py_XDECREF(names);
    Py_XDECREF(printed);
    PyMem_Free(keys);
    return found;
none:
    PyMem_Free(keys);
    Py_RETURN_NONE;
}

static PyObject *value_at(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    char number[LONGEST + 1];
    Py_ssize_t size, index;
    const char *at, *end, *stop;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "value_at(printed, index)");
        return NULL;
    }
    at = PyUnicode_AsUTF8AndSize(given[0], &size);
    if (at == NULL)
        return NULL;
    index = PyLong_AsSsize_t(given[1]);
    if (index < 0 || size < 2) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_IndexError, "no such value");
        return NULL;
    }
    end = at + size - 1; /* the bracket */
    for (at++; index > 0; index--, at++) {
        at = memchr(at, ',', end - at);
        if (at == NULL) {
            PyErr_SetString(PyExc_IndexError, "no such value");
            return NULL;
        }
    }
    stop = memchr(at, ',', end - at);
    stop = stop == NULL ? end : stop;
    if (stop - at > LONGEST) {
        PyErr_SetString(PyExc_ValueError, "too long a number");
        return NULL;
    }
    memcpy(number, at, stop - at);
    number[stop - at] = 0;
    double value = PyOS_string_to_double(number, NULL, NULL);
    return value == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
}

static PyObject *newlines(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    char *begin;
    Py_ssize_t size, total = 0;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "newlines(data, start, stop)");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(given[0], &begin, &size) < 0)
        return NULL;
    Py_ssize_t start = PyLong_AsSsize_t(given[1]), stop = PyLong_AsSsize_t(given[2]);
    if (PyErr_Occurred())
        return NULL;
    if (start < 0 || stop > size) {
        PyErr_SetString(PyExc_ValueError, "not within the data");
        return NULL;
    }
    const char *at = begin + start, *end = begin + stop;
    while (end - at >= LANES) { /* in lanes of a byte, which compilers turn into vectors */
        unsigned char lanes[LANES] = {0};
        for (int round = 0; round < 255 && end - at >= LANES; round++, at += LANES)
            for (int i = 0; i < LANES; i++)
                lanes[i] += at[i] == '\n';
        for (int i = 0; i < LANES; i++)
            total += lanes[i];
    }
    for (; at < end; at++)
        total += *at == '\n';
    return PyLong_FromSsize_t(total);
}

static PyMethodDef functions[] = {
    {"cut", (PyCFunction)(void (*)(void))cut, METH_FASTCALL, NULL},
    {"value_at", (PyCFunction)(void (*)(void))value_at, METH_FASTCALL, NULL},
    {"newlines", (PyCFunction)(void (*)(void))newlines, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_cutting", NULL, 0, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__cutting(void)
{
    return PyModuleDef_Init(&definition);
}
