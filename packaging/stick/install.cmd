@echo off
rem Installs Tram from this stick, without a network: run as administrator.
rem Then: tram enroll, as it says at the end.
setlocal
chcp 65001 >nul
set ARCH=amd64
if /i "%PROCESSOR_ARCHITECTURE%"=="x86" if not defined PROCESSOR_ARCHITEW6432 set ARCH=386
if /i "%PROCESSOR_ARCHITECTURE%"=="ARM64" set ARCH=arm64
if /i "%PROCESSOR_ARCHITEW6432%"=="ARM64" set ARCH=arm64
set PROGRAM=%~dp0tram-windows-%ARCH%.exe
if not exist "%PROGRAM%" (
  echo USB nay thieu %PROGRAM%. / This stick lacks the program. 1>&2
  exit /b 2
)
"%PROGRAM%" install --from "%~dp0." %*
exit /b %ERRORLEVEL%
