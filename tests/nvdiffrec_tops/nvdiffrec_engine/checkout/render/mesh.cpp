// An extension module of the smallest kind, initialised in several phases as those of today are.
#include <Python.h>

static int fill(PyObject *module) { return PyModule_AddIntConstant(module, "prepared", 1); }

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "renderutils_plugin", NULL, 0, NULL, slots, NULL, NULL, NULL};

extern "C" PyMODINIT_FUNC PyInit_renderutils_plugin(void) { return PyModuleDef_Init(&definition); }
