package policy

// botNames are the well-known programs by class, in lower case, as they begin a
// word of User-Agent. It is kept small on purpose: names that stand for one
// program and nothing else, of those that many servers see. No name of a class
// may begin the usual name of a browser.
func botNames() map[string][]string {
	return map[string][]string{
		"library": {
			"aiohttp/", "akka-http/", "apache-httpclient/", "apachebench/", "axios/", "curl/", "dart/", "deno/", "faraday ", "fasthttp",
			"go-http-client/", "go-resty/", "got (", "guzzlehttp/", "http-kit/", "http.rb/", "httpie/", "httpx/", "hyper/", "insomnia/",
			"jakarta commons-httpclient/", "java-http-client/", "java/", "ktor-client", "libcurl/", "libwww-perl/", "lua-resty-http/", "lwp::simple/",
			"mechanize/", "microsoft.http", "node-fetch", "node-superagent/", "node.js", "okhttp/", "php/", "postmanruntime/", "powershell/",
			"python-httpx/", "python-requests/", "python-urllib/", "python/", "reactornetty/", "reqwest/", "rest-client/", "restsharp/", "ruby",
			"scrapy/", "symfony httpclient", "typhoeus", "undici", "unirest-java", "urlgrabber/", "vert.x-webclient/", "wget/", "wget2/", "windowspowershell/",
			"winhttp", "zend\\http\\client",
		},
		"crawler": {
			"adsbot-google", "ahrefsbot", "amazonbot", "applebot", "archive.org_bot", "awariobot", "baiduspider", "barkrowler", "bingbot", "bingpreview",
			"blexbot", "bytespider", "ccbot/", "censysinspect", "chatgpt-user", "claude-searchbot", "claude-user", "claudebot", "coccocbot", "cohere-ai",
			"dataforseobot", "diffbot", "discordbot", "dotbot", "duckassistbot", "duckduckbot", "expanse", "facebookbot", "facebookexternalhit", "feedfetcher-google",
			"google-inspectiontool", "google-safety", "googlebot", "googleother", "gptbot", "ia_archiver", "imagesiftbot", "internetmeasurement",
			"linkedinbot", "magpie-crawler", "masscan", "mediapartners-google", "meta-externalagent", "meta-externalfetcher", "mj12bot", "mojeekbot", "msnbot",
			"naverbot", "oai-searchbot", "omgili", "petalbot", "pinterestbot", "perplexity-user", "perplexitybot", "proximic", "qwantbot", "rogerbot", "screaming frog",
			"semrushbot", "serpstatbot", "seznambot", "siteauditbot", "slackbot", "slurp", "sogou ", "storebot-google", "telegrambot", "timpibot", "turnitin",
			"twitterbot", "uptimerobot", "whatsapp/", "yacybot", "yandexbot", "yandeximages", "yeti/", "youbot", "zgrab",
		},
		"headless": {
			"cypress/", "headlesschrome", "headlessedg", "htmlunit", "jsdom/", "phantomjs", "playwright", "puppeteer", "selenium", "slimerjs",
		},
	}
}
