@echo off
rem Sets the project up and cooks a TOP scene without Houdini, as scripts/cook does elsewhere.
rem   scripts\cook.bat                      the sample scene: hip\TOPs_nvdiffrec_Static.hip
rem   scripts\cook.bat photographs          from photographs to a mesh
rem   scripts\cook.bat SCENE.hip [options]  any scene; options as in: nvdiffrec-tops cook --help
setlocal
set "TOPS_START=%~dp0start.py"
set "TOPS_CHECK=import sys; sys.exit(sys.version_info < (3, 9))"
"%~dp0..\.venv\Scripts\python.exe" -I -S -c "%TOPS_CHECK%" >nul 2>nul && goto own
if defined PYTHON "%PYTHON%" -I -S -c "%TOPS_CHECK%" >nul 2>nul && goto named
py -3 -I -S -c "%TOPS_CHECK%" >nul 2>nul && goto launcher
python -I -S -c "%TOPS_CHECK%" >nul 2>nul && goto path
echo Error: Python 3.11 or newer is needed: python.org/downloads; or set PYTHON to an interpreter 1>&2
exit /b 1
:own
"%~dp0..\.venv\Scripts\python.exe" -I -S "%TOPS_START%" cook %*
exit /b %errorlevel%
:named
"%PYTHON%" -I -S "%TOPS_START%" cook %*
exit /b %errorlevel%
:launcher
py -3 -I -S "%TOPS_START%" cook %*
exit /b %errorlevel%
:path
python -I -S "%TOPS_START%" cook %*
exit /b %errorlevel%
