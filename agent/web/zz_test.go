package web
import ("testing";"time";"os";"regexp"
"github.com/chromedp/chromedp")
func TestZZ(t *testing.T) {
	log, _ := os.ReadFile("/tmp/w/demo.log")
	for i, m := range regexp.MustCompile(`(http://127.0.0.1:87\d1)   (\w+) / (\w+)`).FindAllStringSubmatch(string(log), -1) {
	b := &box{t: t, url: m[1]}
	c := browse(t, b, 1366, 768)
	c.open("/dang-nhap")
	c.do(chromedp.SetValue(chromedp.CSS("#name"), m[2]), chromedp.SetValue(chromedp.CSS("#password"), m[3]))
	c.leave(chromedp.Click(chromedp.CSS(".narrow .btn:not(.plain)")))
	c.shot("real-work-"+string(rune('0'+i)))
	c.open("/van-ban-den"); c.shot("real-in-"+string(rune('0'+i)))
	c.leave(chromedp.Click(chromedp.CSS(".open")))
	c.do(chromedp.Sleep(2*time.Second))
	c.shot("real-doc-"+string(rune('0'+i)))
	c.open("/van-ban-di"); c.shot("real-out-"+string(rune('0'+i)))
	c.leave(chromedp.Click(chromedp.CSS(".open")))
	c.shot("real-sent-"+string(rune('0'+i)))
	c.open("/hop-gui"); c.shot("real-outbox-"+string(rune('0'+i)))
	c.open("/noi-nhan?q=phuong"); c.shot("real-find-"+string(rune('0'+i)))
	c.quiet()
	}
}
