; Installer of one program for Windows. It only unpacks and calls "NAME install",
; so that what is done is the same as from a stick: copying, the service, closing the
; data folder, refusing to replace a newer program. Remove leaves the data.
Target ${STUB}
Name "Trạm ${NAME} ${VERSION}"
OutFile "${OUT}"
RequestExecutionLevel admin
SetCompressor /SOLID lzma
SetDateSave off
ShowInstDetails show
ShowUninstDetails show
InstallDir "$PROGRAMFILES64\${NAME}"
BrandingText "Trạm ${VERSION}"

!include LogicLib.nsh
!include x64.nsh
!include WinVer.nsh
!include MUI2.nsh
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "Vietnamese"
!insertmacro MUI_LANGUAGE "English"

VIProductVersion "${FOUR}"
VIAddVersionKey "ProductName" "Tram ${NAME}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "Tram ${NAME} ${VERSION} (${ARCH})"
VIAddVersionKey "LegalCopyright" "Apache License 2.0"

LangString OLDWINDOWS ${LANG_VIETNAMESE} "Cần Windows 10 trở lên. Máy Windows 7 dùng trình duyệt để mở giao diện trên máy khác."
LangString OLDWINDOWS ${LANG_ENGLISH} "Windows 10 or newer is needed. A Windows 7 machine opens the pages of another with its browser."
LangString OTHERKIND ${LANG_VIETNAMESE} "Bản này không dành cho loại máy này (${ARCH}). Hãy dùng bản khác."
LangString OTHERKIND ${LANG_ENGLISH} "This one is for another kind of machine (${ARCH}). Use the other one."
LangString FAILED ${LANG_VIETNAMESE} "Chưa cài được; lý do ở cửa sổ chi tiết. Máy không bị thay đổi dữ liệu."
LangString FAILED ${LANG_ENGLISH} "Not installed; the details say why. No data was changed."

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Tram-${NAME}"

Function .onInit
	${IfNot} ${AtLeastWin10}
		MessageBox MB_ICONSTOP "$(OLDWINDOWS)" /SD IDOK
		SetErrorLevel 1
		Abort
	${EndIf}
!if ${ARCH} == arm64
	${IfNot} ${IsNativeARM64}
!else if ${ARCH} == amd64
	${IfNot} ${IsNativeAMD64}
!else
	${If} ${RunningX64}
!endif
		MessageBox MB_ICONSTOP "$(OTHERKIND)" /SD IDOK
		SetErrorLevel 1
		Abort
	${EndIf}
!if ${ARCH} == 386
	StrCpy $INSTDIR "$PROGRAMFILES\${NAME}"
!endif
FunctionEnd

Section
	SetRegView ${VIEW}
	InitPluginsDir
	SetOutPath "$PLUGINSDIR\tram"
	File "${FOLDER}/${NAME}.exe"
	nsExec::ExecToLog '"$PLUGINSDIR\tram\${NAME}.exe" install --no-input --no-color'
	Pop $0
	SetOutPath "$TEMP"
	${If} $0 != 0
		MessageBox MB_ICONSTOP "$(FAILED)" /SD IDOK
		SetErrorLevel 1
		Abort "$(FAILED)"
	${EndIf}
	SetOutPath "$INSTDIR"
	File "${FOLDER}/licenses.txt"
	File "${FOLDER}/LICENSE.txt"
	WriteUninstaller "$INSTDIR\uninstall.exe"
	WriteRegStr HKLM "${UNINSTALL}" "DisplayName" "Trạm ${NAME}"
	WriteRegStr HKLM "${UNINSTALL}" "DisplayVersion" "${VERSION}"
	WriteRegStr HKLM "${UNINSTALL}" "Publisher" "Trạm"
	WriteRegStr HKLM "${UNINSTALL}" "InstallLocation" "$INSTDIR"
	WriteRegStr HKLM "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
	WriteRegStr HKLM "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
	WriteRegDWORD HKLM "${UNINSTALL}" "NoModify" 1
	WriteRegDWORD HKLM "${UNINSTALL}" "NoRepair" 1
SectionEnd

Section Uninstall
	SetRegView ${VIEW}
	nsExec::ExecToLog '"$INSTDIR\${NAME}.exe" uninstall --yes --no-input --no-color'
	Pop $0
	${If} $0 != 0
		SetErrorLevel 1
		Abort
	${EndIf}
	Delete "$INSTDIR\${NAME}.exe"
	Delete "$INSTDIR\${NAME}.exe.old"
	Delete "$INSTDIR\licenses.txt"
	Delete "$INSTDIR\LICENSE.txt"
	Delete "$INSTDIR\uninstall.exe"
	RMDir "$INSTDIR"
	DeleteRegKey HKLM "${UNINSTALL}"
SectionEnd
